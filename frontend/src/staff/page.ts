/** What the staff's pages share. */

/** Throws where the page has no such element: the template and the script belong together. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** JSON, also of a refusal; throws where there is none. */
export async function get<T>(url: string): Promise<T> {
  const response = await fetch(url, { headers: { Accept: "application/json" } });
  return (await response.json()) as T;
}

/** JSON, or null where it could not be had. */
export async function ask<T>(url: string): Promise<T | null> {
  try {
    return await get<T>(url);
  } catch {
    return null;
  }
}

export async function send<T>(url: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
    body: JSON.stringify(body),
  });
  return (await response.json()) as T;
}

export function token(): string {
  return document.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")?.value ?? "";
}
