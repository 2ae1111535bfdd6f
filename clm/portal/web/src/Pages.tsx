import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Component, lazy, Suspense, useEffect, type ReactNode } from "react";
import { begin, end } from "./api/cloud.ts";
import { Heading } from "./ui/Heading.tsx";
import { Link } from "./ui/Link.tsx";
import { Loading } from "./ui/Loading.tsx";
import { useTexts } from "./ui/settings.ts";
import { addresses, routeOf } from "./model/routes.ts";
import { useAddress } from "./ui/router.ts";
import { Shell } from "./ui/Shell.tsx";

const Machines = lazy(() => import("./pages/Machines.tsx"));
const Machine = lazy(() => import("./pages/Machine.tsx"));
const CreateMachine = lazy(() => import("./pages/CreateMachine.tsx"));

function Nowhere(): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t("app.notFound")} />
      <Link to={addresses.machines()}>{t("app.toMachines")}</Link>
    </>
  );
}

function Broken(): ReactNode {
  return <Alert component="p" variant="danger" isInline title={useTexts().t("app.broken")} />;
}

/** What breaks while a page is drawn is said; the frame around it stays. */
class Guard extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };
  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }
  override render(): ReactNode {
    return this.state.broken ? <Broken /> : this.props.children;
  }
}

/** The pages of somebody who is logged in. */
export default function Pages(): ReactNode {
  const address = useAddress();
  const route = routeOf(address.pathname);
  useEffect(() => {
    begin();
    return end;
  }, []);
  return (
    <Shell>
      <Guard key={address.pathname}>
        <Suspense fallback={<Loading />}>
          {route.page === "machines" && <Machines />}
          {route.page === "create" && <CreateMachine />}
          {route.page === "machine" && <Machine key={route.uuid} uuid={route.uuid} />}
          {route.page === "nowhere" && <Nowhere />}
        </Suspense>
      </Guard>
    </Shell>
  );
}
