/** Results as cards: a list of choices, one of them chosen. */

import type { Product, Result } from "../api/types";

const WORDS: Record<string, string> = {
  "very likely": "Very likely",
  likely: "Likely",
  "similar shape": "Similar shape",
  weak: "Not certain",
};

export function confidenceText(confidence: string): string {
  return WORDS[confidence] ?? confidence;
}

export function priceText(product: Product): string {
  if (product.price === null) return "";
  const value = Number(product.price);
  if (!product.currency) return value.toFixed(2);
  return new Intl.NumberFormat(undefined, { style: "currency", currency: product.currency }).format(value);
}

/** One card; pressing it chooses the result. */
export function card(result: Result, choose: (result: Result) => void): HTMLLIElement {
  const item = document.createElement("li");
  const button = element("button", "card");
  button.type = "button";
  button.dataset["rank"] = String(result.rank);
  button.setAttribute("aria-pressed", "false");
  const picture = element("img");
  picture.src = result.view_url;
  picture.alt = `${result.product.name}, seen as in your photo`;
  picture.loading = result.rank > 6 ? "lazy" : "eager";
  const frame = element("span", "card-picture");
  frame.append(picture);
  const text = element("span", "card-text");
  text.append(
    line("card-name", result.product.name),
    line("card-facts", [result.product.size_text, result.product.category].filter(Boolean).join(" · ")),
    line("card-price", priceText(result.product)),
    line(`confidence ${result.confidence.replace(" ", "-")}`, confidenceText(result.confidence)),
  );
  button.append(frame, text);
  button.addEventListener("click", () => choose(result));
  item.append(button);
  return item;
}

export function line(name: string, text: string): HTMLElement {
  const span = element("span", name);
  span.textContent = text;
  span.hidden = !text;
  return span;
}

export function element<K extends keyof HTMLElementTagNameMap>(tag: K, name = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (name) made.className = name;
  return made;
}
