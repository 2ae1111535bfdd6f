import { Radio } from "@patternfly/react-core/dist/esm/components/Radio/index.js";
import type { ReactNode } from "react";
import type { Offers } from "../api/create.ts";
import { begun, by, NO_DEVICES, type Draft } from "../model/wizard.ts";
import { useTexts } from "../ui/settings.ts";

export interface StepProps {
  draft: Draft;
  change: (next: Partial<Draft>) => void;
  offered: Offers;
}

/** VM templates, and profiles, which are one with a size: nothing where there are none. */
function Bases({ draft, change, offered }: StepProps): ReactNode {
  const { t } = useTexts();
  const { vmTemplates, profiles, templates } = offered;
  if (vmTemplates.length === 0) return null;
  const sizeIs = (cluster: string, id: number): boolean =>
    templates.some((each) => each.cluster === cluster && each.template_id === id && each.uuid === draft.template);
  const ofDraft = vmTemplates.find((each) => each.uuid === draft.vmTemplate);
  const isOf = (profile: Offers["profiles"][number]): boolean =>
    profile.cluster === ofDraft?.cluster && profile.vm_template_id === ofDraft.vm_template_id && sizeIs(profile.cluster, profile.template_id);
  return (
    <fieldset>
      <legend>{t("create.byHelp")}</legend>
      <div className="w-radios">
        <Radio id="by-none" name="by" isChecked={draft.vmTemplate === ""} label={t("create.byNone")} onChange={() => change(by(undefined, draft))} />
        {vmTemplates.map((each) => (
          <Radio key={each.uuid} id={`by-${each.uuid}`} name="by" isChecked={draft.vmTemplate === each.uuid} label={each.name}
            description={[each.effective.system, each.description].filter(Boolean).join(": ")} onChange={() => change(by(each, draft))} />
        ))}
      </div>
      {profiles.length > 0 && (
        <div className="w-radios" role="group" aria-label={t("create.profiles")}>
          {profiles.map((each) => (
            <Radio key={each.uuid} id={`profile-${each.uuid}`} name="profile" isChecked={isOf(each)} label={each.name}
              description={t("create.profile", { template: each.vm_template_name, size: each.template_name })}
              onChange={() => change(begun(new URLSearchParams({ profile: each.uuid }), offered, draft))} />
          ))}
        </div>
      )}
    </fieldset>
  );
}

/** What a machine begins as: a VM template, an image, or both. */
export function ImageStep(props: StepProps): ReactNode {
  const { t } = useTexts();
  const { draft, change, offered } = props;
  const several = new Set(offered.images.map((image) => image.cluster)).size > 1;
  const images = draft.vmTemplate ? offered.images.filter((image) => image.cluster === draft.cluster) : offered.images;
  if (images.length === 0 && offered.vmTemplates.length === 0) return <p>{t("create.noImages")}</p>;
  return (
    <>
      <Bases {...props} />
      <fieldset>
        <legend>{t("create.imageHelp")}</legend>
        <div className="w-radios">
          {draft.vmTemplate !== "" && draft.hasImage && (
            <Radio id="image-of-template" name="image" isChecked={draft.image === ""} label={t("create.imageOfTemplate")} onChange={() => change({ image: "" })} />
          )}
          {images.map((image) => (
            <Radio key={image.uuid} id={`image-${image.uuid}`} name="image" isChecked={draft.image === image.uuid}
              label={several ? `${image.name} (${image.cluster})` : image.name} description={image.description}
              onChange={() => change({ image: image.uuid, cluster: image.cluster, ...(image.cluster !== draft.cluster && { template: "", ...NO_DEVICES }) })} />
          ))}
        </div>
      </fieldset>
    </>
  );
}
