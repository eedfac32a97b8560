/** The search page: asking, waiting, answering. */

import { ApiError, cancelSearch, follow, submitBox, submitPhotos, submitSample } from "./api/client";
import type { Box, Result, Search, State, Submitted } from "./api/types";
import { BoxEditor } from "./ui/boxeditor";
import { card, confidenceText, priceText } from "./ui/cards";
import { scaled } from "./ui/geometry";
import { listenForPhotos } from "./ui/upload";
import type { Look, Overlay } from "./viewer/overlay";

const PROGRESS: Partial<Record<State, string>> = {
  queued: "Waiting for a free worker",
  looking: "Looking for the object",
  matching: "Comparing with the catalog",
  fitting: "Fitting the 3D models",
};
const STEPS: State[] = ["queued", "looking", "matching", "fitting"];

const get = <T extends HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`#${id} is missing from the page`);
  return found as T;
};

const page = {
  ask: get("ask"),
  work: get("work"),
  photo: get<HTMLImageElement>("photo"),
  stage: get("stage"),
  canvas: get<HTMLCanvasElement>("overlay"),
  boxes: get("boxes"),
  problem: get("problem"),
  progress: get("progress"),
  progressText: get("progress-text"),
  status: get("status"),
  results: get("results"),
  notes: get("notes"),
  detail: get("detail"),
  viewer: get("viewer-tools"),
  loading: get("model-loading"),
  opacity: get<HTMLInputElement>("opacity"),
  swipe: get<HTMLInputElement>("swipe"),
  snap: get<HTMLButtonElement>("snap"),
  showModel: get<HTMLButtonElement>("show-model"),
  showBox: get<HTMLButtonElement>("show-box"),
};

let current: Search | null = null;
let chosen: Result | null = null;
let following: AbortController | null = null;
let overlay: Overlay | null = null;
let isWithoutWebGL = false;
let watched: string | null = null; // the search that is being waited for or shown
let submission = 0; // of the last photo or box sent: answers to earlier ones are dropped

const editor = new BoxEditor(page.boxes, (box) => void searchBox(box));

// ---- asking --------------------------------------------------------------------------------

function ask(send: () => Promise<Submitted>, picture?: string): void {
  following?.abort();
  const mine = ++submission;
  watched = null;
  complain("");
  showWork();
  resetAnswer();
  if (picture) showPhoto(picture);
  tellProgress("queued", null);
  send().then(
    (made) => {
      if (mine !== submission) {
        void cancelSearch(made.id).catch(() => {}); // nobody waits for it any more
        return;
      }
      history.pushState({ id: made.id }, "", made.url);
      watch(made.id);
    },
    (error: unknown) => {
      if (mine === submission) fail(error);
    },
  );
}

async function searchBox(box: Box | "full" | null): Promise<void> {
  if (!current) return;
  const { photo, id } = current;
  const sent = Array.isArray(box) ? scaled(box, photo.sent_width / photo.width, photo.sent_height / photo.height) : box;
  if (box === "full") editor.setBox([0, 0, photo.width, photo.height]);
  ask(() => submitBox(id, sent));
}

function watch(id: string): void {
  following?.abort();
  watched = id;
  following = new AbortController();
  follow(id, update, following.signal).catch((error: unknown) => fail(error));
}

// ---- waiting -------------------------------------------------------------------------------

function update(search: Search): void {
  current = search;
  const { photo } = search;
  if (photo.url && page.photo.dataset["final"] !== photo.url) {
    page.photo.dataset["final"] = photo.url;
    showPhoto(photo.url);
  }
  page.stage.style.aspectRatio = `${photo.width} / ${photo.height}`;
  page.stage.style.setProperty("--aspect", String(photo.width / photo.height));
  editor.setPhoto(photo.width, photo.height);
  if (search.box) editor.setBox(search.box);
  editor.setDetections(search.detections.map((found) => found.box));
  if (search.state === "done") answer(search);
  else if (search.state === "failed") endWith(search.error ?? "The search failed. Try again.");
  else if (search.state === "cancelled") endWith("The search was cancelled.");
  else tellProgress(search.state, search.queue_position);
}

function tellProgress(state: State, position: number | null): void {
  const text = PROGRESS[state] ?? "";
  const queue = state === "queued" && position && position > 1 ? ` (${position - 1} before you)` : "";
  page.progress.hidden = false;
  page.progressText.textContent = `${text}${queue}…`;
  page.progress.style.setProperty("--step", String(STEPS.indexOf(state) + 1));
  announce(text);
}

function endWith(text: string): void {
  page.progress.hidden = true;
  const retry = document.createElement("button");
  retry.type = "button";
  retry.className = "button";
  retry.textContent = "Try again";
  retry.addEventListener("click", () => void searchBox(current?.box_source === "shopper" ? current.box : null));
  const words = document.createElement("p");
  words.textContent = text;
  page.notes.replaceChildren(words, retry);
  announce(text);
  setMode("box");
}

// ---- answering -----------------------------------------------------------------------------

function answer(search: Search): void {
  page.progress.hidden = true;
  page.notes.replaceChildren(...notes(search));
  page.results.replaceChildren(...search.results.map((result) => card(result, choose)));
  const count = search.results.length;
  announce(search.no_match ? `No clear match; the ${count} products most alike are listed.` : `${count} products found.`);
  const first = search.results[0];
  if (first) choose(first);
  else setMode("box");
}

function notes(search: Search): HTMLElement[] {
  const texts: string[] = [];
  if (search.no_match) {
    texts.push(
      search.results.length
        ? "No clear match: these look most alike. A tighter box around one object, or another photo, may help."
        : "Nothing in this catalog looks like it. Try a tighter box around one object, or another photo.",
    );
  }
  if (search.tau_widened) texts.push("Few products have these proportions, so others were let in too.");
  return texts.map((text) => {
    const words = document.createElement("p");
    words.textContent = text;
    return words;
  });
}

function choose(result: Result): void {
  chosen = result;
  for (const button of page.results.querySelectorAll<HTMLElement>(".card")) {
    button.setAttribute("aria-pressed", String(button.dataset["rank"] === String(result.rank)));
  }
  showDetail(result);
  setMode("model");
  void showModel(result);
}

function showDetail(result: Result): void {
  const { product } = result;
  const set = (id: string, text: string): void => {
    const place = get(id);
    place.textContent = text;
    place.hidden = !text;
  };
  page.detail.hidden = false;
  set("detail-name", product.name);
  set("detail-confidence", confidenceText(result.confidence));
  set("detail-facts", [product.size_text, product.category, product.sku].filter(Boolean).join(" · "));
  set("detail-price", priceText(product));
  const credits = [product.creator && `by ${product.creator}`, product.license, product.source].filter(Boolean);
  set("detail-credits", `3D model: ${credits.join(" · ")}`);
  get<HTMLAnchorElement>("detail-page").href = product.url;
  const shop = get<HTMLAnchorElement>("detail-shop");
  shop.hidden = !product.link;
  if (product.link) shop.href = product.link;
  const file = get<HTMLAnchorElement>("detail-file");
  file.href = product.glb_url;
  file.download = `${product.name}.glb`;
  const view = get<HTMLImageElement>("detail-view");
  view.src = result.view_url;
  view.alt = `${product.name}, rendered from the viewpoint of your photo`;
  const iou = result.pose?.silhouette_iou;
  const isUncertain = !result.pose || (iou !== null && iou !== undefined && iou < 0.5);
  set("detail-pose", isUncertain ? "The viewpoint is uncertain: the outline does not fit well." : "");
}

async function showModel(result: Result): Promise<void> {
  page.loading.hidden = true;
  page.canvas.dataset["model"] = "";
  const viewer = await openOverlay();
  if (!viewer) return;
  if (!result.pose) {
    viewer.clear();
    return;
  }
  page.loading.hidden = false;
  page.loading.textContent = "Loading the 3D model…";
  try {
    await viewer.show(result.glb_url, result.pose.camera, (share) => {
      page.loading.textContent = `Loading the 3D model… ${share === null ? "" : `${Math.round(100 * share)} %`}`;
    });
    if (chosen === result) page.canvas.dataset["model"] = String(result.product.id);
    page.loading.hidden = true;
  } catch {
    if (chosen === result) page.loading.textContent = "The 3D model could not be loaded. Choose it again to retry.";
  }
}

/** three.js comes only when there is a model to show. */
async function openOverlay(): Promise<Overlay | null> {
  if (overlay || isWithoutWebGL) return overlay;
  let Made: typeof Overlay;
  try {
    ({ Overlay: Made } = await import("./viewer/overlay"));
  } catch {
    page.loading.hidden = false;
    page.loading.textContent = "The viewer could not be loaded. Choose the product again to retry.";
    return null;
  }
  try {
    overlay ??= new Made(page.canvas, (isAway) => {
      page.snap.hidden = !isAway;
    });
  } catch {
    isWithoutWebGL = true;
    page.loading.hidden = false;
    page.loading.textContent = "This browser can't draw in 3D (WebGL is off). The pictures below still compare.";
  }
  return overlay;
}

// ---- the stage -----------------------------------------------------------------------------

function setMode(mode: "model" | "box"): void {
  page.work.dataset["mode"] = mode;
  page.showModel.setAttribute("aria-pressed", String(mode === "model"));
  page.showBox.setAttribute("aria-pressed", String(mode === "box"));
  page.viewer.hidden = mode !== "model" || !current?.results.length;
}

function showPhoto(address: string): void {
  const before = page.photo.src;
  page.photo.src = address;
  if (before.startsWith("blob:") && before !== address) URL.revokeObjectURL(before);
}

function showWork(): void {
  page.ask.hidden = true;
  page.work.hidden = false;
}

function showAsk(): void {
  following?.abort();
  submission += 1;
  current = null;
  watched = null;
  page.work.hidden = true;
  page.ask.hidden = false;
}

function resetAnswer(): void {
  page.results.replaceChildren();
  page.notes.replaceChildren();
  page.detail.hidden = true;
  page.viewer.hidden = true;
  page.loading.hidden = true;
  page.canvas.dataset["model"] = "";
  chosen = null;
  overlay?.clear();
  setMode("box");
}

function complain(text: string): void {
  page.problem.textContent = text;
  page.problem.hidden = !text;
}

function fail(error: unknown): void {
  const text = error instanceof ApiError ? error.message : "Something went wrong on this page. Reload it and try again.";
  if (current) endWith(text);
  else {
    showAsk();
    complain(text);
  }
}

function announce(text: string): void {
  if (page.status.textContent !== text) page.status.textContent = text;
}

// ---- wiring --------------------------------------------------------------------------------

listenForPhotos(
  get("dropzone"),
  [get<HTMLInputElement>("choose"), get<HTMLInputElement>("shoot")],
  (files) => {
    current = null;
    page.photo.dataset["final"] = "";
    editor.setBox(null);
    editor.setDetections([]);
    ask(() => submitPhotos(files), URL.createObjectURL(files[0]!));
  },
  (text) => {
    if (page.ask.hidden) {
      const words = document.createElement("p");
      words.textContent = text;
      page.notes.prepend(words);
      announce(text);
    } else complain(text);
  },
);

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-sample]")) {
  button.addEventListener("click", () => {
    const name = button.dataset["sample"]!;
    const picture = button.querySelector("img");
    current = null;
    page.photo.dataset["final"] = "";
    editor.setBox(null);
    editor.setDetections([]);
    ask(() => submitSample(name), picture?.src);
  });
}

page.showModel.addEventListener("click", () => setMode("model"));
page.showBox.addEventListener("click", () => setMode("box"));
get("whole").addEventListener("click", () => void searchBox("full"));
get("find").addEventListener("click", () => void searchBox(null));
page.snap.addEventListener("click", () => overlay?.snapBack());
page.opacity.addEventListener("input", () => {
  page.canvas.style.opacity = String(Number(page.opacity.value) / 100);
});
page.swipe.addEventListener("input", () => {
  page.canvas.style.clipPath = `inset(0 0 0 ${page.swipe.value}%)`;
});
for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=look]")) {
  radio.addEventListener("change", () => {
    if (overlay && !overlay.setLook(radio.value as Look)) announce("This model is too heavy to be outlined.");
  });
}
get("cancel").addEventListener("click", () => {
  if (watched) void cancelSearch(watched).then(update, fail);
  else {
    submission += 1; // still being sent: its search is cancelled when the answer comes
    if (current) endWith("The search was cancelled.");
    else showAsk();
  }
});
get("again").addEventListener("click", () => {
  history.pushState({}, "", "/");
  showAsk();
});
page.photo.addEventListener("load", () => {
  if (!current && page.photo.naturalWidth) {
    page.stage.style.aspectRatio = `${page.photo.naturalWidth} / ${page.photo.naturalHeight}`;
    page.stage.style.setProperty("--aspect", String(page.photo.naturalWidth / page.photo.naturalHeight));
  }
});
window.addEventListener("popstate", () => location.reload());

const opened = document.body.dataset["search"];
if (opened) {
  showWork();
  resetAnswer();
  tellProgress("queued", null);
  watch(opened);
}
