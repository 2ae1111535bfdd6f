// The token of a mail's link. It comes after the address's `#`, so that no log on the way holds it; once read, it is out of the address.
let kept = "";

export function tokenOfLink(): string {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    kept = found;
    history.replaceState(null, "", location.pathname);
  }
  return kept;
}
