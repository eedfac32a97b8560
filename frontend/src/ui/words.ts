/** Words in the shopper's language: the page carries them, by the English ones. */

let words: Record<string, string> | null = null;

function load(): Record<string, string> {
  return JSON.parse(document.getElementById("page-words")?.textContent || "{}") as Record<string, string>;
}

/** The text in the page's language, its %(name)s filled in. */
export function t(text: string, values: Record<string, string | number> = {}): string {
  words ??= load();
  return fill(words[text] ?? text, values);
}

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/%\((\w+)\)s/g, (all, name: string) => String(values[name] ?? all));
}
