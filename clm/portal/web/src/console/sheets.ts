// xterm.js makes <style> elements while it opens, which the Content-Security-Policy refuses, even empty ones. While `make`
// runs, something inert is made in their place, which keeps its text in a constructed style sheet: the policy lets be what
// scripts of ours do to sheets. (Its own way to be given another document does not reach all of them.)
export function withSheets(make: () => void): () => void {
  const made: CSSStyleSheet[] = [];
  const real = Document.prototype.createElement;
  const createElement = function (this: Document, name: string, options?: ElementCreationOptions): HTMLElement {
    if (name.toLowerCase() !== "style") return real.call(this, name, options);
    const element = real.call(this, "span");
    element.hidden = true;
    const sheet = new CSSStyleSheet();
    made.push(sheet);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    let text = "";
    Object.defineProperty(element, "textContent", {
      get: () => text,
      set: (value: string) => {
        text = value;
        sheet.replaceSync(value);
      },
    });
    return element;
  };
  document.createElement = createElement as typeof document.createElement;
  try {
    make();
  } finally {
    Reflect.deleteProperty(document, "createElement");
  }
  return () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => !made.includes(each));
  };
}
