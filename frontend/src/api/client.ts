/** The API, typed. Every failure is an ApiError whose message can be shown. */

import { t } from "../ui/words";
import type { Box, CameraFields, Search, Share, Shown, Submitted } from "./types";

const ROOT = "/api/v1";
const ENDED = new Set(["done", "failed", "cancelled"]);
const FIRST_WAIT = 150; // ms between two polls; grows to LONGEST_WAIT
const LONGEST_WAIT = 1000;
const TRIES = 4; // polls in a row that may fail before the shopper is told

export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export function submitPhotos(files: File[], words: string): Promise<Submitted> {
  return send("/searches", form(files, { words }));
}

export function submitSample(sample: string, words: string): Promise<Submitted> {
  return send("/searches", form([], { sample, words }));
}

/** The box in pixels of that photo as it was sent; "full" for the whole photo; null to find the object. */
export function submitBox(id: string, box: Box | "full" | null, photo: number): Promise<Submitted> {
  return send(`/searches/${id}/box`, JSON.stringify({ box, photo }));
}

export function submitWords(id: string, words: string): Promise<Submitted> {
  return send(`/searches/${id}/words`, JSON.stringify({ words }));
}

/** Degrees round the thing since the first photo, to the right as one faces it; null where nobody knows. */
export function submitTurns(id: string, turns_deg: (number | null)[]): Promise<Submitted> {
  return send(`/searches/${id}/turns`, JSON.stringify({ turns_deg }));
}

export function addPhotos(id: string, files: File[]): Promise<Submitted> {
  return send(`/searches/${id}/photos`, form(files, {}));
}

export function cancelSearch(id: string): Promise<unknown> {
  return send(`/searches/${id}/cancel`, "");
}

/** Its photos too, and all that was found with them. */
export function deleteSearch(id: string): Promise<unknown> {
  return send(`/searches/${id}`, "", "DELETE");
}

export function sayVerdict(id: string, product: number, said: "is_it" | "not_it" | null): Promise<unknown> {
  return send(`/searches/${id}/feedback`, JSON.stringify({ product, said }));
}

export function savePlace(id: string, product: number, camera: CameraFields): Promise<unknown> {
  return send(`/searches/${id}/feedback`, JSON.stringify({ product, camera }));
}

export function makeShare(id: string, product: number): Promise<Share> {
  return send(`/searches/${id}/shares`, JSON.stringify({ product }));
}

export function dropShare(id: string, token: string): Promise<unknown> {
  return send(`/searches/${id}/shares/${token}`, "", "DELETE");
}

/** The answer as the server writes it for a wish: "kind=Sofas&more=1". */
export async function getAnswer(id: string, wish: string, signal?: AbortSignal): Promise<Shown> {
  const response = await reach(`/s/${id}/answer?${wish}`, { signal });
  if (!response.ok) throw await problem(response);
  return parseAnswer(await response.text());
}

export function parseAnswer(html: string): Shown {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const data = holder.content.getElementById("answer-data");
  if (!data?.textContent) throw new ApiError(t("Something went wrong on this page. Reload it and try again."), 500);
  return { html, search: JSON.parse(data.textContent) as Search };
}

/** Tell every change until the search has ended. wish is asked each time: it may change meanwhile. */
export async function follow(
  id: string,
  wish: () => string,
  tell: (shown: Shown) => void,
  signal: AbortSignal,
): Promise<void> {
  let wait = FIRST_WAIT;
  let failures = 0;
  let before = "";
  for (;;) {
    let shown: Shown | null = null;
    try {
      shown = await getAnswer(id, wish(), signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      const isPassing = !(error instanceof ApiError) || error.status >= 500 || error.status === 0;
      failures += 1;
      if (!isPassing || failures >= TRIES) throw error;
    }
    if (shown) {
      if (shown.html !== before) tell(shown);
      before = shown.html;
      if (ENDED.has(shown.search.state)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (signal.aborted) return;
    wait = Math.min(LONGEST_WAIT, wait * 1.3);
  }
}

function form(files: File[], fields: Record<string, string>): FormData {
  const made = new FormData();
  for (const file of files) made.append("photo", file, file.name || "photo.jpg");
  for (const [name, value] of Object.entries(fields)) if (value) made.append(name, value);
  return made;
}

async function send<T>(path: string, body: FormData | string, method = "POST"): Promise<T> {
  const headers: Record<string, string> = { "X-CSRFToken": cookie("csrftoken") };
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  return answer(await reach(ROOT + path, { method, body: body || null, headers }));
}

async function reach(address: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(t("The server can't be reached. Check the connection and try again."), 0);
  }
}

async function answer<T>(response: Response): Promise<T> {
  if (response.status === 204) return undefined as T;
  if (!response.ok) throw await problem(response);
  return (await response.json()) as T;
}

const KNOWN: Record<string, string> = {
  no_index: "Nothing can be searched yet: no catalog is ready. Try again later.",
  busy: "Many are searching right now. Try again in half a minute.",
};

/** What went wrong in a sentence: in the shopper's language where we know the kind, else as the server says it. */
async function problem(response: Response): Promise<ApiError> {
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const body = (isJson ? await response.json() : null) as { detail?: unknown; type?: string } | null;
  const known = KNOWN[body?.type ?? ""];
  if (known) return new ApiError(t(known), response.status);
  const detail = body?.detail;
  const status = response.status;
  return new ApiError(
    typeof detail === "string" ? sentence(detail) : t("The server answered %(status)s. Try again.", { status }),
    status,
  );
}

/** "the box is empty; draw it" -> "The box is empty; draw it."; a file's name in front stays as it is. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const isName = /^\S+\.\w/.test(trimmed); // of a file: stays as it is written
  const capital = isName ? trimmed : trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

export function cookie(name: string): string {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}
