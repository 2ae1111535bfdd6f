// Reads text/event-stream out of pieces of text, wherever they are cut; knows nothing of the network.
export interface StreamEvent {
  id: string;
  event: string;
  data: string;
}

/** An event without data is a cursor that moved alone. */
export class SseReader {
  #id = "";
  #told = "";
  #rest = "";
  #event = "";
  #data: string[] = [];

  push(text: string): StreamEvent[] {
    const made: StreamEvent[] = [];
    // The server ends lines by a line feed alone.
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") this.#end(made);
      else this.#field(line);
    }
    return made;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "id") this.#id = value;
    else if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
  }

  #end(made: StreamEvent[]): void {
    if (this.#data.length) made.push({ id: this.#id, event: this.#event || "message", data: this.#data.join("\n") });
    else if (this.#id !== this.#told) made.push({ id: this.#id, event: "", data: "" });
    this.#told = this.#id;
    this.#event = "";
    this.#data = [];
  }
}
