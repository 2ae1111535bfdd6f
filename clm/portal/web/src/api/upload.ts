// Uploads in the tus protocol, by way of the cloud: what was sent stays sent, whatever breaks.
import { Upload as Sending } from "tus-js-client";

/** An upload that was begun; kept for the tab, so that the same file goes on where it was. */
export interface Begun {
  /** Who has it may go on with the upload. */
  path: string;
  cluster: string;
  filename: string;
  size: number;
}

const KEY = "wawel.upload";
const RETRIES_MS = [0, 1000, 3000, 10_000, 30_000];
/** Several to a large image, so that little is sent again. */
const PIECE_BYTES = 64 * 2 ** 20;

export function keep(begun: Begun | undefined): void {
  if (begun) sessionStorage.setItem(KEY, JSON.stringify(begun));
  else sessionStorage.removeItem(KEY);
}

export function kept(): Begun | undefined {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "") as Partial<Begun>;
    const isWhole = [found.path, found.cluster, found.filename].every((each) => typeof each === "string") && typeof found.size === "number";
    return isWhole ? (found as Begun) : undefined;
  } catch {
    return undefined;
  }
}

export interface Running {
  stop: () => void;
}

export interface Heard {
  progress: (sent: number, of: number) => void;
  done: () => void;
  failed: (message: string) => void;
}

/** Send a file, from where it stands: the server says how much it has. */
export function sendFile(begun: Begun, file: File, heard: Heard): Running {
  const sending = new Sending(file, {
    uploadUrl: `${location.origin}/clusters/${encodeURIComponent(begun.cluster)}${begun.path}`,
    retryDelays: RETRIES_MS,
    chunkSize: PIECE_BYTES,
    storeFingerprintForResuming: false,
    onProgress: heard.progress,
    onSuccess: () => {
      keep(undefined);
      heard.done();
    },
    onError: (error) => heard.failed(error.message),
  });
  sending.start();
  return { stop: () => void sending.abort() };
}
