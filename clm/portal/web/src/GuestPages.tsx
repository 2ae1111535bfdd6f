import { lazy, type ComponentType, type ReactNode } from "react";
import { routeOf, type GuestPage } from "./model/routes.ts";
import "./texts/more.ts";
import { Opened, type PageProps } from "./ui/Opened.tsx";
import { Preferences } from "./ui/Preferences.tsx";
import { useAddress } from "./ui/router.ts";

const PAGES: Record<GuestPage, ComponentType<PageProps>> = {
  home: lazy(() => import("./pages/guest/Home.tsx")),
  register: lazy(() => import("./pages/guest/Register.tsx")),
  activate: lazy(() => import("./pages/guest/Activate.tsx")),
  forgot: lazy(() => import("./pages/guest/Forgot.tsx")),
  reset: lazy(() => import("./pages/guest/Reset.tsx")),
  renew: lazy(() => import("./pages/guest/Renew.tsx")),
  provider: lazy(() => import("./pages/guest/Provider.tsx")),
};

/** Pages that stand by themselves, whether somebody is logged in or not. */
export default function GuestPages(props: { page: GuestPage }): ReactNode {
  const { pathname } = useAddress();
  return (
    <main className="w-login-page">
      <Opened page={PAGES[props.page]} params={routeOf(pathname).params} at={pathname} />
      <div className="w-preferences"><Preferences /></div>
    </main>
  );
}
