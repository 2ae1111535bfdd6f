import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Component, Suspense, type ComponentType, type ReactNode } from "react";
import type { Params } from "../model/routes.ts";
import { Loading } from "./Loading.tsx";
import { useTexts } from "./settings.ts";

export interface PageProps {
  params: Params;
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

/** A page at its address; another address is another page. */
export function Opened(props: { page: ComponentType<PageProps>; params: Params; at: string }): ReactNode {
  return (
    <Guard key={props.at}>
      <Suspense fallback={<Loading />}><props.page key={props.at} params={props.params} /></Suspense>
    </Guard>
  );
}
