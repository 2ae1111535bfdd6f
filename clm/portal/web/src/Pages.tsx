import { lazy, useEffect, useSyncExternalStore, type ComponentType, type ReactNode } from "react";
import { begin, end } from "./api/cloud.ts";
import { session } from "./api/session.ts";
import { addressTo, isAlone, isFor, isGuest, routeOf, type InnerPage } from "./model/routes.ts";
import "./texts/more.ts";
import { Heading } from "./ui/Heading.tsx";
import { Link } from "./ui/Link.tsx";
import { Opened, type PageProps } from "./ui/Opened.tsx";
import { useAddress } from "./ui/router.ts";
import { useTexts } from "./ui/settings.ts";
import { Shell } from "./ui/Shell.tsx";

/** A page of administrators', which comes with their texts. */
const administered = (load: () => Promise<{ default: ComponentType<PageProps> }>): ComponentType<PageProps> =>
  lazy(async () => (await Promise.all([load(), import("./texts/administration.ts")]))[0]);

/** Each loaded when it is opened: a page that is declared and not made does not compile. */
const PAGES: Record<InnerPage, ComponentType<PageProps>> = {
  overview: lazy(() => import("./pages/Overview.tsx")),
  machines: lazy(() => import("./pages/Machines.tsx")),
  create: lazy(() => import("./pages/CreateMachine.tsx")),
  machine: lazy(() => import("./pages/Machine.tsx")),
  machineConsole: lazy(() => import("./pages/MachineConsole.tsx")),
  machineScreen: lazy(() => import("./pages/MachineScreen.tsx")),
  machineTerminal: lazy(() => import("./pages/MachineTerminal.tsx")),
  machineDisks: lazy(() => import("./pages/MachineDisks.tsx")),
  machineNetwork: lazy(() => import("./pages/MachineNetwork.tsx")),
  machineGuest: lazy(() => import("./pages/MachineGuest.tsx")),
  machineAccess: lazy(() => import("./pages/MachineAccess.tsx")),
  machineHistory: lazy(() => import("./pages/MachineHistory.tsx")),
  farms: lazy(() => import("./pages/farms/Farms.tsx")),
  newFarm: lazy(() => import("./pages/farms/NewFarm.tsx")),
  farm: lazy(() => import("./pages/farms/Farm.tsx")),
  templates: lazy(() => import("./pages/templates/Templates.tsx")),
  newTemplate: lazy(() => import("./pages/templates/NewTemplate.tsx")),
  profiles: lazy(() => import("./pages/templates/Profiles.tsx")),
  vmTemplate: lazy(() => import("./pages/templates/Template.tsx")),
  images: lazy(() => import("./pages/Images.tsx")),
  newImage: lazy(() => import("./pages/NewImage.tsx")),
  image: lazy(() => import("./pages/Image.tsx")),
  disks: lazy(() => import("./pages/Disks.tsx")),
  trash: lazy(() => import("./pages/Trash.tsx")),
  disk: lazy(() => import("./pages/Disk.tsx")),
  networks: lazy(() => import("./pages/Networks.tsx")),
  network: lazy(() => import("./pages/Network.tsx")),
  addresses: lazy(() => import("./pages/Addresses.tsx")),
  securityGroups: lazy(() => import("./pages/SecurityGroups.tsx")),
  securityGroup: lazy(() => import("./pages/SecurityGroup.tsx")),
  affinity: lazy(() => import("./pages/Affinity.tsx")),
  resourcePools: lazy(() => import("./pages/templates/ResourcePools.tsx")),
  leases: lazy(() => import("./pages/Leases.tsx")),
  jobs: lazy(() => import("./pages/jobs/Jobs.tsx")),
  newJob: lazy(() => import("./pages/jobs/NewJob.tsx")),
  job: lazy(() => import("./pages/jobs/Job.tsx")),
  transfers: lazy(() => import("./pages/Transfers.tsx")),
  keys: lazy(() => import("./pages/Keys.tsx")),
  groups: lazy(() => import("./pages/Groups.tsx")),
  group: lazy(() => import("./pages/Group.tsx")),
  messages: lazy(() => import("./pages/Messages.tsx")),
  account: lazy(() => import("./pages/account/Account.tsx")),
  factor: lazy(() => import("./pages/account/Factor.tsx")),
  sessions: lazy(() => import("./pages/account/Sessions.tsx")),
  apiKeys: lazy(() => import("./pages/account/ApiKeys.tsx")),
  quota: lazy(() => import("./pages/account/Quota.tsx")),
  help: lazy(() => import("./pages/Help.tsx")),
  contact: lazy(() => import("./pages/Contact.tsx")),
  helpAdmin: lazy(() => import("./pages/HelpAdmin.tsx")),
  clusterMachines: administered(() => import("./pages/cluster/Machines.tsx")),
  clusterFarms: administered(() => import("./pages/cluster/Farms.tsx")),
  clusterFarm: administered(() => import("./pages/cluster/Farm.tsx")),
  clusterUsers: administered(() => import("./pages/cluster/Users.tsx")),
  clusterPoints: administered(() => import("./pages/cluster/Points.tsx")),
  accountPoints: administered(() => import("./pages/cluster/AccountPoints.tsx")),
  clusterImages: administered(() => import("./pages/cluster/Images.tsx")),
  clusterImage: administered(() => import("./pages/cluster/Image.tsx")),
  sizes: administered(() => import("./pages/cluster/Sizes.tsx")),
  clusterExpiry: administered(() => import("./pages/cluster/Expiry.tsx")),
  expiryTrial: administered(() => import("./pages/cluster/ExpiryTrial.tsx")),
  expiryMachines: administered(() => import("./pages/cluster/ExpiryMachines.tsx")),
  clusterTemplates: administered(() => import("./pages/cluster/Templates.tsx")),
  clusterPools: administered(() => import("./pages/cluster/ResourcePools.tsx")),
  clusterPool: administered(() => import("./pages/cluster/ResourcePool.tsx")),
  clusterNetworks: administered(() => import("./pages/cluster/Networks.tsx")),
  pools: administered(() => import("./pages/cluster/Pools.tsx")),
  clusterAddresses: administered(() => import("./pages/cluster/Addresses.tsx")),
  nodes: administered(() => import("./pages/cluster/Nodes.tsx")),
  node: administered(() => import("./pages/cluster/Node.tsx")),
  clusterAffinity: administered(() => import("./pages/cluster/Affinity.tsx")),
  storages: administered(() => import("./pages/cluster/Storages.tsx")),
  storage: administered(() => import("./pages/cluster/Storage.tsx")),
  drift: administered(() => import("./pages/cluster/Drift.tsx")),
  operations: administered(() => import("./pages/cluster/Operations.tsx")),
  clusterJobs: administered(() => import("./pages/cluster/Jobs.tsx")),
  clusterJob: administered(() => import("./pages/cluster/Job.tsx")),
  placement: administered(() => import("./pages/cluster/Placement.tsx")),
  check: administered(() => import("./pages/cluster/Check.tsx")),
  setup: administered(() => import("./pages/cloud/Setup.tsx")),
  cloudUsers: administered(() => import("./pages/cloud/Users.tsx")),
  clusters: administered(() => import("./pages/cloud/Clusters.tsx")),
  news: administered(() => import("./pages/cloud/News.tsx")),
  mails: administered(() => import("./pages/cloud/Mails.tsx")),
  audit: administered(() => import("./pages/cloud/Audit.tsx")),
};

function Nowhere(): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t("app.notFound")} />
      <Link to={addressTo("machines")}>{t("app.toMachines")}</Link>
    </>
  );
}

/** The pages of somebody who is logged in. */
export default function Pages(): ReactNode {
  const address = useAddress();
  const who = useSyncExternalStore(session.subscribe, session.get);
  const route = routeOf(address.pathname);
  useEffect(() => {
    begin();
    return end;
  }, []);
  const { page, params } = route;
  const isThere = page !== "nowhere" && !isGuest(page) && who && isFor(page, who, params["cluster"]);
  if (isThere && isAlone(page)) return <Opened page={PAGES[page]} params={params} at={address.pathname} />;
  return (
    <Shell route={route}>
      {isThere ? <Opened page={PAGES[page]} params={params} at={address.pathname} /> : <Nowhere />}
    </Shell>
  );
}
