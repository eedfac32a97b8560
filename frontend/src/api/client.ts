/** The API, typed. Every failure is an ApiError whose message can be shown. */

import type { Box, Search, Submitted } from "./types";

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

export function submitPhotos(files: File[]): Promise<Submitted> {
  const form = new FormData();
  for (const file of files) form.append("photo", file, file.name || "photo.jpg");
  return send("/searches", form);
}

export function submitSample(name: string): Promise<Submitted> {
  const form = new FormData();
  form.append("sample", name);
  return send("/searches", form);
}

/** The box in pixels of the photo as it was sent; "full" for the whole photo; null to find the object. */
export function submitBox(id: string, box: Box | "full" | null): Promise<Submitted> {
  return send(`/searches/${id}/box`, JSON.stringify({ box }));
}

export function cancelSearch(id: string): Promise<Search> {
  return send(`/searches/${id}/cancel`, "");
}

export async function getSearch(id: string, signal?: AbortSignal): Promise<Search> {
  return answer(await reach(`${ROOT}/searches/${id}`, { signal }));
}

/** Tell every state until the search has ended; resolves with the last. */
export async function follow(id: string, tell: (search: Search) => void, signal: AbortSignal): Promise<void> {
  let wait = FIRST_WAIT;
  let failures = 0;
  for (;;) {
    let search: Search | null = null;
    try {
      search = await getSearch(id, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      const isPassing = !(error instanceof ApiError) || error.status >= 500 || error.status === 0;
      failures += 1;
      if (!isPassing || failures >= TRIES) throw error;
    }
    if (search) {
      tell(search);
      if (ENDED.has(search.state)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (signal.aborted) return;
    wait = Math.min(LONGEST_WAIT, wait * 1.3);
  }
}

async function send<T>(path: string, body: FormData | string): Promise<T> {
  const headers: Record<string, string> = { "X-CSRFToken": cookie("csrftoken") };
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  return answer(await reach(ROOT + path, { method: "POST", body, headers }));
}

async function reach(address: string, options: RequestInit): Promise<Response> {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError("The server can't be reached. Check the connection and try again.", 0);
  }
}

async function answer<T>(response: Response): Promise<T> {
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const body: unknown = isJson ? await response.json() : null;
  if (response.ok && body !== null) return body as T;
  const detail = (body as { detail?: unknown } | null)?.detail;
  const text = typeof detail === "string" ? sentence(detail) : `The server answered ${response.status}. Try again.`;
  throw new ApiError(text, response.status);
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
