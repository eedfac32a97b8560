/** The search page: asking, waiting, answering. */

import * as api from "./api/client";
import { ApiError } from "./api/client";
import type { Box, Photo, Result, Search, Shown, State, Submitted, Viewpoint } from "./api/types";
import { BoxEditor } from "./ui/boxeditor";
import { cutout } from "./ui/cutout";
import { scaled } from "./ui/geometry";
import { forget, past, pictureOf, remember } from "./ui/history";
import { shrunk } from "./ui/shrink";
import { listenForPhotos } from "./ui/upload";
import { addCells, cropOf, showCrop, showView } from "./ui/why";
import { t } from "./ui/words";
import type { Look, Overlay, Seat } from "./viewer/overlay";

type Mode = "model" | "box" | "why";

const PROGRESS: Partial<Record<State, string>> = {
  queued: "Waiting for a free worker",
  looking: "Looking for the object",
  matching: "Comparing with the catalog",
  fitting: "Fitting the 3D models",
};
const STEPS: State[] = ["queued", "looking", "matching", "fitting"];
const CONFIDENCE: Record<string, string> = {
  "very likely": "Very likely",
  likely: "Likely",
  "similar shape": "Similar shape",
  weak: "Not certain",
};
const DEFAULT_FOCAL = 1.2; // focal length / longer side, where no pose of the photo tells

const get = <T extends HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`#${id} is missing from the page`);
  return found as T;
};

const page = {
  ask: get("ask"),
  work: get("work"),
  photo: get<HTMLImageElement>("photo"),
  still: get<HTMLImageElement>("still"),
  stage: get("stage"),
  canvas: get<HTMLCanvasElement>("overlay"),
  boxes: get("boxes"),
  photos: get("photos"),
  turnOf: get("turn-of"),
  redrawn: get("redrawn"),
  turn: get<HTMLSelectElement>("turn"),
  problem: get("problem"),
  progress: get("progress"),
  progressText: get("progress-text"),
  status: get("status"),
  answer: get("answer"),
  notes: get("notes"),
  detail: get("detail"),
  viewer: get("viewer-tools"),
  uncertain: get("uncertain"),
  others: get("others"),
  why: get("why"),
  loading: get("model-loading"),
  opacity: get<HTMLInputElement>("opacity"),
  swipe: get<HTMLInputElement>("swipe"),
  snap: get<HTMLButtonElement>("snap"),
  adjust: get<HTMLButtonElement>("adjust"),
  adjustHint: get("adjust-hint"),
  keepPose: get<HTMLButtonElement>("keep-pose"),
  said: get("said"),
  words: get<HTMLInputElement>("words"),
  modes: { model: get("show-model"), box: get("show-box"), why: get("show-why") },
};

let current: Search | null = null;
let chosen: Result | null = null;
let isChosenByHand = false;
let isBoxAsked = false; // the shopper went to the box: an answer that comes meanwhile leaves them there
let active = 0; // the photo on the stage
let following: AbortController | null = null;
let overlay: Overlay | null = null;
let isWithoutWebGL = false;
let watched: string | null = null; // the search that is being waited for or shown
let submission = 0; // of the last photo or box sent: answers to earlier ones are dropped
let again: (() => void) | null = null; // sends what could not be sent once more
let wish = location.search.slice(1);

const editor = new BoxEditor(page.boxes, (box) => void searchBox(box));

// ---- asking --------------------------------------------------------------------------------

function ask(send: () => Promise<Submitted>, picture?: string): void {
  following?.abort();
  const mine = ++submission;
  watched = null;
  again = () => ask(send, picture);
  wish = "";
  complain("");
  showWork();
  resetAnswer();
  if (picture) showPhoto(picture);
  tellProgress("queued", t("Sending the photo"));
  send().then(
    (made) => {
      if (mine !== submission) {
        void api.cancelSearch(made.id).catch(() => {}); // nobody waits for it any more
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

function askAnew(send: () => Promise<Submitted>, picture?: string): void {
  current = null;
  active = 0;
  page.photo.dataset["final"] = "";
  page.photos.hidden = true;
  editor.setBox(null);
  editor.setDetections([]);
  ask(send, picture);
}

function askWithFiles(files: File[]): void {
  const words = page.words.value.trim();
  askAnew(
    async () => api.submitPhotos(await Promise.all(files.map(shrunk)), words),
    URL.createObjectURL(files[0]!),
  );
}

async function searchBox(box: Box | "full" | null): Promise<void> {
  const photo = current?.photos[active];
  if (!current || !photo) return;
  const { id } = current;
  const at = active;
  const sent = Array.isArray(box) ? scaled(box, photo.sent_width / photo.width, photo.sent_height / photo.height) : box;
  if (box === "full") editor.setBox([0, 0, photo.width, photo.height]);
  ask(() => api.submitBox(id, sent, at));
}

/** The first photo is where the angles are counted from. */
function searchTurned(turn: number | null): void {
  if (!current) return;
  const { id } = current;
  const turns = current.photos.map((photo, index) => (index === active ? turn : index === 0 ? 0 : photo.turn_deg));
  ask(() => api.submitTurns(id, turns));
}

function watch(id: string): void {
  following?.abort();
  watched = id;
  following = new AbortController();
  api.follow(id, () => wish, update, following.signal).catch((error: unknown) => fail(error));
}

// ---- waiting -------------------------------------------------------------------------------

function update(shown: Shown): void {
  const before = current;
  current = shown.search;
  const { search } = shown;
  if (before?.id !== search.id) active = Math.min(active, search.photos.length - 1);
  page.answer.innerHTML = shown.html;
  wireAnswer();
  showPhotos(search);
  showStage();
  if (search.state === "done") finish(search);
  else if (search.state === "failed") endWith(search.error ? api.sentence(search.error) : t("The search failed. Try again."));
  else if (search.state === "cancelled") endWith(t("The search was cancelled."));
  else {
    const queue = search.queue_position ?? 0;
    tellProgress(search.state, queue > 1 ? t("%(n)s before you", { n: queue - 1 }) : "");
    if (search.results.length) announce(t("Products are here already; their 3D models are being fitted."));
    markChosen();
  }
}

function tellProgress(state: State, more: string): void {
  const text = watched === null && more ? more : [t(PROGRESS[state] ?? ""), more].filter(Boolean).join(", ");
  page.progress.hidden = false;
  page.progressText.textContent = `${text}…`;
  page.progress.style.setProperty("--step", String(STEPS.indexOf(state) + 1));
  announce(text);
}

function endWith(text: string): void {
  page.progress.hidden = true;
  for (const ghosts of page.answer.querySelectorAll(".ghosts")) ghosts.remove();
  const retry = document.createElement("button");
  retry.type = "button";
  retry.className = "button";
  retry.textContent = t("Try again");
  retry.addEventListener("click", () => {
    if (watched && current) void searchBox(current.photos[active]?.box_source === "shopper" ? current.photos[active]!.box : null);
    else again?.();
  });
  tellNote(text, retry);
  setMode("box");
}

function tellNote(text: string, ...more: Node[]): void {
  const words = document.createElement("p");
  words.textContent = text;
  page.notes.replaceChildren(words, ...more);
  announce(text);
}

// ---- answering -----------------------------------------------------------------------------

function finish(search: Search): void {
  page.progress.hidden = true;
  page.notes.replaceChildren();
  const n = search.results.length;
  announce(search.no_match ? t("No clear match; the products most alike are shown.") : t("%(n)s products shown.", { n }));
  const kept = isChosenByHand ? search.results.find((result) => result.product === chosen?.product) : undefined;
  const first = kept ?? search.results[0];
  if (first) choose(first);
  else setMode("box");
  keepInHistory(search);
}

function choose(result: Result): void {
  chosen = result;
  markChosen();
  showDetail(result);
  if (current && active !== result.photo_index && result.photo_index < current.photos.length) {
    active = result.photo_index;
    showPhotos(current);
    showStage();
  }
  page.modes.why.hidden = !result.agreement;
  if (page.work.dataset["mode"] === "why" && result.agreement) setMode("why");
  else if (!isEditing()) setMode("model");
  void showModel(result);
}

function markChosen(): void {
  for (const card of page.answer.querySelectorAll<HTMLElement>(".card")) {
    if (card.dataset["product"] === String(chosen?.product)) card.setAttribute("aria-current", "true");
    else card.removeAttribute("aria-current");
  }
}

function showDetail(result: Result): void {
  const set = (id: string, text: string): void => {
    const place = get(id);
    place.textContent = text;
    place.hidden = !text;
  };
  page.detail.hidden = false;
  set("detail-name", result.name);
  set("detail-confidence", t(CONFIDENCE[result.confidence] ?? result.confidence));
  set("detail-facts", result.facts.join(" · "));
  set("detail-price", priceText(result));
  set("detail-credits", result.credits.length ? t("3D model: %(credits)s", { credits: result.credits.join(" · ") }) : "");
  set("detail-pose", viewpointText(result.pose ?? result));
  get<HTMLAnchorElement>("detail-page").href = result.url;
  const shop = get<HTMLAnchorElement>("detail-shop");
  shop.hidden = !result.link;
  if (result.link) shop.href = result.link;
  const view = get<HTMLImageElement>("detail-view");
  view.src = result.view_url;
  view.alt = t("%(name)s, seen as in your photo", { name: result.name });
  showYours(result);
  page.said.replaceChildren();
  showVerdict();
}

/** What was taken for the thing in the photo, beside the view it was found by. */
function showYours(result: Result): void {
  const photo = current?.photos[result.photo_index];
  const cut = photo ? cutout(photo, t("The thing in your photo, cut out")) : null;
  get("detail-cutout").replaceChildren(...(cut ? [cut] : []));
  get("detail-yours").hidden = !cut;
}

function viewpointText(view: { azimuth_deg: number; elevation_deg: number }): string {
  const azimuth = Math.round(((view.azimuth_deg % 360) + 360) % 360);
  return t("Seen from %(azimuth)s°, %(elevation)s° above the floor", { azimuth, elevation: Math.round(view.elevation_deg) });
}

function priceText(result: Result): string {
  if (result.price === null) return "";
  const value = Number(result.price);
  if (!result.currency) return value.toFixed(2);
  return new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency: result.currency }).format(value);
}

// ---- the model over the photo --------------------------------------------------------------

async function showModel(result: Result): Promise<void> {
  page.canvas.dataset["model"] = "";
  stopAdjusting();
  showOthers(result);
  const viewer = await openOverlay();
  if (chosen !== result) return;
  if (!viewer) {
    showStill(result);
    return;
  }
  page.loading.hidden = false;
  page.loading.textContent = t("Loading the 3D model…");
  try {
    await viewer.show(result.glb_url, result.pose?.camera ?? seat(result), (share) => {
      page.loading.textContent = `${t("Loading the 3D model…")} ${share === null ? "" : `${Math.round(100 * share)} %`}`;
    });
    if (chosen === result) page.canvas.dataset["model"] = String(result.product);
    page.loading.hidden = true;
  } catch {
    if (chosen === result) page.loading.textContent = t("The 3D model could not be loaded. Choose it again to retry.");
  }
}

/** Of a viewpoint that the server fitted no pose for. */
function seat(view: Viewpoint): Seat {
  const photo = current!.photos[active]!;
  const known = current!.results.find((result) => result.pose && result.photo_index === active)?.pose;
  return {
    azimuth: (view.azimuth_deg * Math.PI) / 180,
    elevation: (view.elevation_deg * Math.PI) / 180,
    box: photo.box ?? [0, 0, photo.width, photo.height],
    width: photo.width,
    height: photo.height,
    focal: known?.camera.fx ?? DEFAULT_FOCAL * Math.max(photo.width, photo.height),
  };
}

/** Where several viewpoints are about as good: say so, and let the shopper pick. */
function showOthers(result: Result): void {
  page.uncertain.hidden = page.others.hidden = result.others.length === 0;
  page.uncertain.textContent = t("Viewpoint uncertain");
  const views: Viewpoint[] = [result, ...result.others];
  page.others.replaceChildren(
    ...views.map((view, index) => {
      const button = document.createElement("button");
      const image = document.createElement("img");
      const words = document.createElement("span");
      button.type = "button";
      button.setAttribute("aria-pressed", String(index === 0));
      image.src = view.view_url;
      image.alt = "";
      words.textContent = index ? t("Other side %(n)s", { n: index }) : t("Best guess");
      button.append(image, words);
      button.addEventListener("click", () => {
        for (const other of page.others.children) other.setAttribute("aria-pressed", String(other === button));
        overlay?.put(index === 0 && result.pose ? result.pose.camera : seat(view));
        get("detail-pose").textContent = viewpointText(index === 0 ? (result.pose ?? result) : view);
        page.keepPose.hidden = index === 0;
      });
      return button;
    }),
  );
}

/** three.js comes only when there is a model to show. */
async function openOverlay(): Promise<Overlay | null> {
  if (overlay || isWithoutWebGL) return overlay;
  let Made: typeof Overlay;
  try {
    ({ Overlay: Made } = await import("./viewer/overlay"));
  } catch {
    page.loading.hidden = false;
    page.loading.textContent = t("The viewer could not be loaded. Choose the product again to retry.");
    return null;
  }
  try {
    overlay ??= new Made(page.canvas, (isAway) => {
      page.snap.hidden = !isAway;
    });
  } catch {
    isWithoutWebGL = true;
    page.loading.hidden = false;
    page.loading.textContent = t("This browser can't draw in 3D (WebGL is off). The pictures still compare.");
  }
  return overlay;
}

/** Without WebGL: the catalog's nearest view, laid into the box. */
function showStill(result: Result): void {
  const photo = current?.photos[active];
  if (!photo?.box) return;
  const [x0, y0, x1, y1] = cropOf(photo.box);
  page.still.src = result.view_url;
  page.still.hidden = false;
  Object.assign(page.still.style, {
    left: `${(100 * x0) / photo.width}%`,
    top: `${(100 * y0) / photo.height}%`,
    width: `${(100 * (x1 - x0)) / photo.width}%`,
    height: `${(100 * (y1 - y0)) / photo.height}%`,
  });
}

function stopAdjusting(): void {
  overlay?.adjust(false);
  page.adjust.setAttribute("aria-pressed", "false");
  page.adjustHint.hidden = page.keepPose.hidden = true;
}

// ---- why -----------------------------------------------------------------------------------

function showWhy(): void {
  const photo = current?.photos[chosen?.photo_index ?? 0];
  const found = chosen?.agreement;
  if (!chosen || !found || !photo?.box) return;
  showCrop(get("why-photo"), photo, photo.box);
  showView(get("why-view"), chosen.view_url, cropOf(photo.box));
  addCells(get("why-photo"), found, found.down, found.right);
  addCells(get("why-view"), found, 0, 0);
  get("why-text").textContent = t(
    "Cell agreement %(score)s: the sum of all the cells. With the whole picture's %(cosine)s, it ranks this view.",
    { score: found.score.toFixed(3), cosine: chosen.score.toFixed(3) },
  );
}

// ---- the stage -----------------------------------------------------------------------------

/** By hand. */
function goTo(mode: Mode): void {
  endEditing();
  isBoxAsked = mode === "box";
  setMode(mode);
}

function setMode(mode: Mode): void {
  page.work.dataset["mode"] = mode;
  for (const [name, button] of Object.entries(page.modes)) button.setAttribute("aria-pressed", String(name === mode));
  page.viewer.hidden = mode !== "model" || !chosen;
  page.why.hidden = mode !== "why";
  if (mode === "why") showWhy();
}

/** Whether the shopper is at the box, or has begun to change it: then neither it nor the mode is theirs to lose. */
function isEditing(): boolean {
  return isBoxAsked || editor.isTouched;
}

function endEditing(): void {
  isBoxAsked = false;
  editor.isTouched = false;
}

function showStage(): void {
  const photo = current?.photos[active];
  if (!photo) return;
  if (photo.url && page.photo.dataset["final"] !== photo.url) {
    page.photo.dataset["final"] = photo.url;
    showPhoto(photo.url);
  }
  shape(photo.width, photo.height);
  editor.setPhoto(photo.width, photo.height);
  const isSearched = photo.asked_box !== null && !editor.isTouched; // another box than the shopper's, who looks at it
  if (!isEditing() || isSearched) editor.setBox(photo.box);
  editor.setDetections(photo.detections.map((found) => found.box));
  page.redrawn.hidden = !photo.asked_box;
  page.turnOf.hidden = active === 0;
  page.turn.value = photo.turn_deg === null ? "" : String(photo.turn_deg);
  if (page.turn.selectedIndex < 0) page.turn.value = ""; // an angle a program sent
}

function shape(width: number, height: number): void {
  page.stage.style.aspectRatio = `${width} / ${height}`;
  page.stage.style.setProperty("--aspect", String(width / height));
}

function showPhotos(search: Search): void {
  page.photos.hidden = search.photos.length < 2;
  page.photos.replaceChildren(
    ...search.photos.map((photo: Photo, index) => {
      const button = document.createElement("button");
      const image = document.createElement("img");
      button.type = "button";
      button.setAttribute("aria-pressed", String(index === active));
      button.setAttribute("aria-label", t("Photo %(n)s", { n: index + 1 }));
      image.alt = "";
      if (photo.url) image.src = photo.url;
      button.append(image);
      button.addEventListener("click", () => {
        active = index;
        endEditing();
        for (const other of page.photos.children) other.setAttribute("aria-pressed", String(other === button));
        showStage();
        if (chosen && chosen.photo_index === index) setMode("model");
        else setMode("box");
      });
      return button;
    }),
  );
}

function showPhoto(address: string): void {
  const before = page.photo.src;
  page.photo.src = address;
  if (before.startsWith("blob:") && before !== address && !again) URL.revokeObjectURL(before);
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
  showHistory();
}

function resetAnswer(): void {
  page.notes.replaceChildren();
  page.answer.innerHTML = '<ul class="results ghosts" aria-hidden="true"><li></li><li></li><li></li><li></li></ul>';
  page.detail.hidden = true;
  page.loading.hidden = true;
  page.still.hidden = true;
  page.canvas.dataset["model"] = "";
  chosen = null;
  isChosenByHand = false;
  endEditing();
  page.modes.why.hidden = true;
  overlay?.clear();
  setMode("box");
}

function complain(text: string): void {
  page.problem.textContent = text;
  page.problem.hidden = !text;
}

/** What could not be sent is not lost: the photo stays, to be sent again. A photo that is refused is not kept. */
function fail(error: unknown): void {
  const text = error instanceof ApiError ? error.message : t("Something went wrong on this page. Reload it and try again.");
  const isRefused = error instanceof ApiError && error.status === 422;
  if (current || !isRefused) endWith(text);
  else {
    showAsk();
    complain(text);
  }
}

function announce(text: string): void {
  if (page.status.textContent !== text) page.status.textContent = text;
}

// ---- history, deletion, sharing, verdicts ---------------------------------------------------

function keepInHistory(search: Search): void {
  const keep = (): void => {
    const name = search.no_match ? "" : (search.results[0]?.name ?? "");
    remember({ id: search.id, name, picture: pictureOf(page.photo) });
  };
  if (page.photo.complete && page.photo.naturalWidth) keep();
  else page.photo.addEventListener("load", keep, { once: true });
}

function showHistory(): void {
  const all = past();
  get("history").hidden = !all.length;
  get("history-list").replaceChildren(
    ...all.map((one) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      const image = document.createElement("img");
      link.href = `/s/${encodeURIComponent(one.id)}/`;
      image.src = one.picture;
      image.alt = one.name || "?";
      link.append(image);
      item.append(link);
      return item;
    }),
  );
}

async function deletePhoto(): Promise<void> {
  const id = watched;
  if (!id || !confirm(t("Delete this photo and everything found with it, now and for good?"))) return;
  try {
    await api.deleteSearch(id);
  } catch (error) {
    fail(error);
    return;
  }
  forget(id);
  history.replaceState({}, "", "/");
  page.photo.removeAttribute("src");
  page.photo.dataset["final"] = "";
  showAsk();
  complain(t("Your photo was deleted."));
}

async function share(): Promise<void> {
  if (!current || !chosen) return;
  const { id } = current;
  const made = await api.makeShare(id, chosen.product);
  const date = new Date(made.expires_at).toLocaleDateString(document.documentElement.lang);
  const link = document.createElement("a");
  link.href = link.textContent = made.url;
  const drop = document.createElement("button");
  drop.type = "button";
  drop.className = "link";
  drop.textContent = t("Delete the link");
  drop.addEventListener("click", () => {
    api.dropShare(id, made.token).then(() => page.said.replaceChildren(t("The link was deleted.")), tell);
  });
  page.said.replaceChildren(t("The link works until %(date)s:", { date }), " ", link, " ", drop);
  await navigator.clipboard?.writeText(made.url).catch(() => {}); // the link is there to be copied by hand
}

function showVerdict(): void {
  get("is-it").setAttribute("aria-pressed", String(chosen?.said === "is_it"));
  get("not-it").setAttribute("aria-pressed", String(chosen?.said === "not_it"));
}

async function say(kind: "is_it" | "not_it"): Promise<void> {
  if (!current || !chosen) return;
  const result = chosen;
  const said = result.said === kind ? null : kind;
  await api.sayVerdict(current.id, result.product, said);
  result.said = said;
  if (chosen !== result) return;
  showVerdict();
  page.said.replaceChildren(said ? t("Thank you. Press again to take it back.") : "");
}

async function savePlace(): Promise<void> {
  const camera = overlay?.standing;
  if (!current || !chosen || !camera) return;
  await api.savePlace(current.id, chosen.product, camera);
  page.keepPose.hidden = true;
  page.adjustHint.hidden = false;
  page.adjustHint.textContent = t("Saved. Thank you: it teaches us where we are wrong.");
}

/** Something on the side failed: the page stays as it is. */
function tell(error: unknown): void {
  page.said.replaceChildren(error instanceof ApiError ? error.message : t("Something went wrong on this page. Reload it and try again."));
}

// ---- wiring --------------------------------------------------------------------------------

/** The part of the page that the server writes: its filters, words and cards. */
function wireAnswer(): void {
  const form = page.answer.querySelector<HTMLFormElement>("#wish");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const chip = (event as SubmitEvent).submitter as HTMLButtonElement | null;
    if (chip?.name === "kind") form.querySelector<HTMLInputElement>("#kind")!.value = chip.value;
    void change(form);
  });
  form?.addEventListener("change", () => void change(form));
  page.answer.querySelector<HTMLFormElement>("#rewords")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = current?.id;
    const words = page.answer.querySelector<HTMLInputElement>("#rewords-text")!.value.trim();
    if (id) ask(() => api.submitWords(id, words));
  });
  for (const link of page.answer.querySelectorAll<HTMLAnchorElement>("#more, [data-wish]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      void show(link.dataset["wish"] ?? new URL(link.href).search.slice(1), link.id === "more");
    });
  }
  for (const card of page.answer.querySelectorAll<HTMLAnchorElement>(".card")) {
    card.addEventListener("click", (event) => {
      const result = current?.results.find((one) => String(one.product) === card.dataset["product"]);
      if (!result || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      isChosenByHand = true;
      endEditing();
      if (current?.state === "done") choose(result);
      else {
        chosen = result;
        markChosen();
        showDetail(result);
      }
      if (page.stage.getBoundingClientRect().bottom < 80) page.stage.scrollIntoView({ block: "start" });
    });
  }
}

async function change(form: HTMLFormElement): Promise<void> {
  const said = new URLSearchParams();
  const data = new FormData(form);
  for (const name of ["kind", "price", "size", "color", "sort"]) {
    const value = String(data.get(name) ?? "");
    if (value && value !== "0" && value !== "best") said.set(name, value);
  }
  await show(said.toString(), false);
}

/** The same answer with another wish; focus stays where it was. */
async function show(said: string, isMore: boolean): Promise<void> {
  const id = watched;
  if (!id) return;
  const focused = document.activeElement;
  const name = focused instanceof HTMLElement ? focused.getAttribute("name") : null;
  const value = focused instanceof HTMLButtonElement ? focused.value : null;
  const known = page.answer.querySelectorAll(".card").length;
  try {
    const shown = await api.getAnswer(id, said);
    if (watched !== id) return;
    wish = said;
    history.replaceState(history.state, "", said ? `?${said}` : location.pathname);
    current = shown.search;
    page.answer.innerHTML = shown.html;
    wireAnswer();
    markChosen();
    announce(t("%(n)s products shown.", { n: current.results.length }));
  } catch (error) {
    tellNote(error instanceof ApiError ? error.message : t("Something went wrong on this page. Reload it and try again."));
    return;
  }
  if (isMore) page.answer.querySelectorAll<HTMLElement>(".card")[known]?.focus();
  else if (name) {
    const all = [...page.answer.querySelectorAll<HTMLElement>(`[name="${name}"]:not([type="hidden"])`)];
    (value === null ? all[0] : all.find((one) => (one as HTMLButtonElement).value === value))?.focus();
  }
}

listenForPhotos(
  get("dropzone"),
  [get<HTMLInputElement>("choose"), get<HTMLInputElement>("shoot")],
  askWithFiles,
  (text) => {
    if (page.ask.hidden) tellNote(text);
    else complain(text);
  },
);

const more = get<HTMLInputElement>("more-photos");
more.addEventListener("change", () => {
  const id = current?.id;
  const files = [...(more.files ?? [])];
  more.value = "";
  if (id && files.length) ask(async () => api.addPhotos(id, await Promise.all(files.map(shrunk))));
});

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-sample]")) {
  button.addEventListener("click", () => {
    const name = button.dataset["sample"]!;
    askAnew(() => api.submitSample(name, page.words.value.trim()), button.querySelector("img")?.src);
  });
}

for (const [name, button] of Object.entries(page.modes)) button.addEventListener("click", () => goTo(name as Mode));
page.turn.addEventListener("change", () => searchTurned(page.turn.value === "" ? null : Number(page.turn.value)));
get("whole").addEventListener("click", () => void searchBox("full"));
get("find").addEventListener("click", () => void searchBox(null));
get("delete").addEventListener("click", () => void deletePhoto());
get("share").addEventListener("click", () => share().catch(tell));
get("is-it").addEventListener("click", () => say("is_it").catch(tell));
get("not-it").addEventListener("click", () => say("not_it").catch(tell));
get("forget").addEventListener("click", () => {
  forget();
  showHistory();
});
page.snap.addEventListener("click", () => overlay?.snapBack());
page.opacity.addEventListener("input", () => {
  page.canvas.style.opacity = String(Number(page.opacity.value) / 100);
});
page.swipe.addEventListener("input", () => {
  page.canvas.style.clipPath = `inset(0 0 0 ${page.swipe.value}%)`;
});
for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=look]")) {
  radio.addEventListener("change", () => {
    if (overlay && !overlay.setLook(radio.value as Look)) announce(t("This model is too heavy for that."));
  });
}
page.adjust.addEventListener("click", () => {
  const isOn = page.adjust.getAttribute("aria-pressed") !== "true";
  if (!isOn) {
    if (chosen) overlay?.put(chosen.pose?.camera ?? seat(chosen));
    stopAdjusting();
    return;
  }
  overlay?.adjust(true);
  page.adjust.setAttribute("aria-pressed", "true");
  page.adjustHint.textContent = t(
    "Drag to slide, pinch or wheel to scale, Shift and drag to turn. Keys: arrows slide, + and - scale, Q and E turn.",
  );
  page.adjustHint.hidden = page.keepPose.hidden = false;
  page.canvas.focus({ preventScroll: true });
});
page.keepPose.addEventListener("click", () => savePlace().catch(tell));
get("cancel").addEventListener("click", () => {
  const id = watched;
  if (id) {
    api.cancelSearch(id).then(
      () => watch(id),
      (error: unknown) => fail(error),
    );
  } else {
    submission += 1; // still being sent: its search is cancelled when the answer comes
    endWith(t("The search was cancelled."));
  }
});
get("again").addEventListener("click", () => {
  history.pushState({}, "", "/");
  showAsk();
});
page.photo.addEventListener("load", () => {
  if (!current && page.photo.naturalWidth) shape(page.photo.naturalWidth, page.photo.naturalHeight);
});
window.addEventListener("popstate", () => location.reload());

const opened = document.body.dataset["search"];
if (opened) {
  showWork();
  watched = opened;
  const { width, height } = page.stage.dataset;
  if (width && height) shape(Number(width), Number(height));
  tellProgress("queued", "");
  if (page.photo.getAttribute("src")) page.photo.dataset["final"] = page.photo.getAttribute("src")!;
  watch(opened);
} else showHistory();
