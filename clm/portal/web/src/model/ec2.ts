// Profiles for the tools of EC2, ready to be copied: pure.
import type { EC2Endpoint } from "../api/wawel.ts";

/** For ~/.aws/credentials. */
export const credentialsOf = (accessKey: string, secretKey: string): string =>
  `[wawel]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`;

/** For ~/.aws/config: one profile a cluster, as a region. The first is the one that has the key's name, too. */
export function configOf(endpoints: readonly EC2Endpoint[]): string {
  const [first] = endpoints;
  if (!first) return "";
  const services = endpoints.map(({ cluster, url }) => `[services wawel-${cluster}]\nec2 =\n  endpoint_url = ${url}\nsts =\n  endpoint_url = ${url}\n`);
  const profiles = endpoints.map(
    ({ cluster }, index) =>
      `[profile ${index === 0 ? "wawel" : `wawel-${cluster}`}]\nregion = ${cluster}\nservices = wawel-${cluster}\n${index === 0 ? "" : "source_profile = wawel\n"}`,
  );
  return [...profiles, ...services].join("\n");
}
