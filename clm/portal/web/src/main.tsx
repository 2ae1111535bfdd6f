import "@patternfly/react-core/dist/styles/base.css";
import "./ui/app.css";
import { lazy, StrictMode, Suspense, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { problemOf, type WawelError } from "./api/rpc.ts";
import { resume, session } from "./api/session.ts";
import { isGuest, routeOf } from "./model/routes.ts";
import { Loading } from "./ui/Loading.tsx";
import { followPreferences } from "./ui/settings.ts";
import { useAddress } from "./ui/router.ts";
import { Problem } from "./ui/Problem.tsx";

const Login = lazy(() => import("./pages/Login.tsx"));
const GuestPages = lazy(() => import("./GuestPages.tsx"));
const Pages = lazy(() => import("./Pages.tsx"));

function App(): ReactNode {
  const who = useSyncExternalStore(session.subscribe, session.get);
  const { page } = routeOf(useAddress().pathname);
  const [error, setError] = useState<WawelError>();
  const [tries, setTries] = useState(0);
  useEffect(() => {
    setError(undefined);
    resume().catch((problem: unknown) => setError(problemOf(problem)));
  }, [tries]);
  if (isGuest(page)) return <Suspense fallback={<Loading />}><GuestPages page={page} /></Suspense>;
  if (who) return <Suspense fallback={<Loading />}><Pages key={who.uuid} /></Suspense>;
  if (error) return <main className="w-login-page"><Problem error={error} retry={() => setTries(tries + 1)} /></main>;
  if (who === undefined) return <Loading />;
  return <Suspense fallback={<Loading />}><Login /></Suspense>;
}

followPreferences();
const root = document.getElementById("root");
if (root) createRoot(root).render(<StrictMode><App /></StrictMode>);
