/** The review queue: one case at a time, judged by one key, or only looked at by who may not judge. */

import "./staff.css";
import { Overlay } from "../viewer/overlay";
import type { PinholeCamera } from "../viewer/camera";
import { drawnBox, type Edges } from "./geometry";
import { ask, element, get, send } from "./page";

interface Answer {
  rank: number;
  photo_index: number;
  product: number;
  name: string;
  category: string;
  confidence: string;
  calibrated: number;
  azimuth_deg: number;
  elevation_deg: number;
  view_url: string;
  glb_url: string;
  pose: { azimuth_deg: number; elevation_deg: number; camera: PinholeCamera; silhouette_iou: number | null } | null;
}

interface Case {
  id: number;
  page_url: string;
  photos: { url: string | null; width: number; height: number; box: Edges | null; box_source: string | null }[];
  no_match: boolean;
  best: number | null;
  record_url: string;
  save_url: string;
  results: Answer[];
  mine: { label: string; rank: number | null; true_box: Edges | null } | null;
  verdicts: number;
  said: { label: string; rank: number | null; reviewer: string; note: string; true_box: Edges | null }[];
}

interface Reply {
  case: Case | null;
  left: number | null;
  problem?: string;
}

interface Config {
  judges: boolean;
  next: string;
  undo: string;
  products: string;
  case: number | null;
}

const KEYS: Record<string, string> = { r: "right", s: "similar", w: "wrong", c: "bad_crop", v: "viewpoint", n: "absent" };

class Review {
  private readonly config = JSON.parse(element("config").textContent ?? "{}") as Config;
  private readonly filters = element<HTMLFormElement>("filters");
  private readonly stage = element("stage");
  private readonly photo = element<HTMLImageElement>("photo");
  private readonly problem = element("problem");
  private overlay: Overlay | null = null;
  private shown: Case | null = null;
  private rank = 1;
  private photoIndex = 0;
  private trueBox: Edges | null = null;
  private product: number | null = null;
  private opened = 0;
  private isBusy = false;
  private skipped: number[] = [];

  async begin(): Promise<void> {
    try {
      this.overlay = new Overlay(element<HTMLCanvasElement>("overlay"));
    } catch {
      element("overlay").hidden = true; // no WebGL: the views beside it still show the answer
    }
    this.listen();
    await this.next(this.config.case ?? undefined);
  }

  private async next(id?: number): Promise<void> {
    const query = new URLSearchParams(new FormData(this.filters) as unknown as Record<string, string>);
    query.set("skipped", this.skipped.join(","));
    if (id) query.set("case", String(id));
    await this.load(() => get<Reply>(`${this.config.next}?${query}`));
  }

  private async load(fetched: () => Promise<Reply>): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      const reply = await fetched();
      this.problem.textContent = reply.problem ?? "";
      if (!reply.problem) this.show(reply);
    } catch {
      this.problem.textContent = "The server can't be reached; try again.";
    } finally {
      this.isBusy = false;
    }
  }

  private show(reply: Reply): void {
    const { case: one, left } = reply;
    element("left").textContent = left === null ? "" : left >= 1000 ? "1000+ to review" : `${left} to review`;
    element("none").hidden = one !== null;
    element("case").hidden = one === null;
    this.shown = one;
    if (!one) return;
    this.rank = one.mine?.rank ?? 1;
    const marked = one.said.find((verdict) => verdict.true_box);
    this.trueBox = one.mine?.true_box ?? marked?.true_box ?? null;
    this.product = null;
    this.opened = performance.now();
    this.setDrawing(false);
    this.photo.alt = `photo of search ${one.id}`;
    this.showPhoto(0);
    element("about").textContent =
      `search ${one.id}` +
      (one.no_match ? " · said “nothing similar”" : "") +
      (one.photos.length > 1 ? ` · ${one.photos.length} photos` : "") +
      (one.verdicts ? ` · ${one.verdicts} verdict${one.verdicts > 1 ? "s" : ""}` : "") +
      (one.mine ? ` · you said: ${one.mine.label}` : "");
    element<HTMLAnchorElement>("open").href = one.page_url;
    this.showAnswers(one);
    this.choose(this.rank);
    if (this.config.judges) {
      element<HTMLInputElement>("lookup").value = "";
      element("choices").replaceChildren();
    } else {
      this.showVerdicts(one);
    }
    document.body.dataset["case"] = String(one.id);
  }

  private showVerdicts(one: Case): void {
    const lines = one.said.map(
      ({ label, rank, reviewer, note }) =>
        `${label}${rank ? `, answer ${rank}` : ""} (${reviewer})${note ? `: ${note}` : ""}`,
    );
    element("said").replaceChildren(
      ...(lines.length ? lines : ["none yet"]).map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
  }

  private showAnswers(one: Case): void {
    element("answers").replaceChildren(
      ...one.results.map((answer) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset["rank"] = String(answer.rank);
        const picture = document.createElement("img");
        picture.src = answer.view_url;
        picture.alt = "";
        const text = document.createElement("span");
        text.textContent = `${answer.rank}. ${answer.name} · ${answer.calibrated.toFixed(2)}`;
        text.title = `${answer.category} · ${answer.confidence}`;
        button.append(picture, text);
        button.addEventListener("click", () => this.choose(answer.rank));
        return button;
      }),
    );
  }

  /** One of the search's photos; the true box is of the first. */
  private showPhoto(index: number): void {
    this.photoIndex = index;
    this.photo.src = this.shown?.photos[index]?.url ?? "";
    this.setDrawing(false);
    this.showBoxes();
  }

  /** The answer that is meant: its model is laid over the photo. */
  private choose(rank: number): void {
    const answer = this.shown?.results.find((one) => one.rank === rank);
    if (!answer) return;
    this.rank = rank;
    this.product = null;
    if (answer.photo_index !== this.photoIndex) this.showPhoto(answer.photo_index);
    for (const button of element("answers").querySelectorAll<HTMLElement>("button")) {
      button.setAttribute("aria-pressed", String(button.dataset["rank"] === String(rank)));
    }
    const pose = answer.pose;
    const save = element<HTMLAnchorElement>("save");
    save.hidden = !pose;
    save.href = `${this.shown?.save_url}match-${rank}.html`;
    element("pose").textContent = pose
      ? `azimuth ${pose.azimuth_deg.toFixed(0)}°, elevation ${pose.elevation_deg.toFixed(0)}°` +
        (pose.silhouette_iou === null ? "" : `, silhouette ${(100 * pose.silhouette_iou).toFixed(0)}%`)
      : `view from ${answer.azimuth_deg.toFixed(0)}°, ${answer.elevation_deg.toFixed(0)}°; no pose was fitted`;
    if (!this.overlay) return;
    this.overlay.clear();
    if (pose) {
      const mine = this.shown?.id;
      this.overlay.show(answer.glb_url, pose.camera).then(
        () => {
          if (this.shown?.id === mine) this.overlay?.canvas.setAttribute("data-model", String(answer.product));
        },
        () => {}, // the views beside it still show the answer
      );
    }
  }

  private showBoxes(): void {
    const photo = this.shown?.photos[this.photoIndex];
    const trueBox = this.photoIndex === 0 ? this.trueBox : null;
    this.place(element("frame"), photo?.box ?? null);
    this.place(element("true-frame"), trueBox);
    const box = trueBox ?? photo?.box ?? null;
    const crop = element<HTMLCanvasElement>("crop");
    const draw = (): void => {
      const context = crop.getContext("2d");
      if (!context || !photo) return;
      const [x0, y0, x1, y1] = box ?? [0, 0, photo.width, photo.height];
      const scale = Math.min(220 / (x1 - x0), 220 / (y1 - y0));
      const [across, down] = [this.photo.naturalWidth / photo.width, this.photo.naturalHeight / photo.height];
      [crop.width, crop.height] = [Math.max(1, (x1 - x0) * scale), Math.max(1, (y1 - y0) * scale)];
      const from = [x0 * across, y0 * down, (x1 - x0) * across, (y1 - y0) * down] as const;
      context.drawImage(this.photo, ...from, 0, 0, crop.width, crop.height);
    };
    if (this.photo.complete && this.photo.naturalWidth) draw();
    else this.photo.addEventListener("load", draw, { once: true });
  }

  private place(frame: HTMLElement, box: Edges | null): void {
    const photo = this.shown?.photos[this.photoIndex];
    frame.hidden = !box || !photo;
    if (!box || !photo) return;
    frame.style.left = `${(100 * box[0]) / photo.width}%`;
    frame.style.top = `${(100 * box[1]) / photo.height}%`;
    frame.style.width = `${(100 * (box[2] - box[0])) / photo.width}%`;
    frame.style.height = `${(100 * (box[3] - box[1])) / photo.height}%`;
  }

  private setDrawing(isDrawing: boolean): void {
    if (!this.config.judges) return;
    if (isDrawing && this.photoIndex !== 0) this.showPhoto(0);
    this.stage.classList.toggle("drawing", isDrawing);
    element("draw").setAttribute("aria-pressed", String(isDrawing));
  }

  private async judge(label: string): Promise<void> {
    const one = this.shown;
    if (!one || this.isBusy) return;
    const answer = this.shown?.results.find((result) => result.rank === this.rank);
    const body: Record<string, unknown> = {
      label,
      seconds: (performance.now() - this.opened) / 1000,
      true_box: this.trueBox,
    };
    if (["right", "similar", "viewpoint"].includes(label)) body["rank"] = this.rank;
    if (this.product !== null) body["product"] = this.product;
    if (label === "viewpoint" && answer?.pose && this.overlay?.isAway) {
      const seen = this.overlay.viewpoint(answer.pose.azimuth_deg, answer.pose.elevation_deg);
      body["true_azimuth_deg"] = seen.azimuth_deg;
      body["true_elevation_deg"] = seen.elevation_deg;
    }
    const query = new URLSearchParams(new FormData(this.filters) as unknown as Record<string, string>);
    query.set("skipped", this.skipped.join(","));
    await this.load(() => send<Reply>(`${one.record_url}?${query}`, body));
  }

  private async skip(): Promise<void> {
    if (this.shown) this.skipped.push(this.shown.id);
    await this.next();
  }

  private listen(): void {
    document.addEventListener("keydown", (event) => this.onKey(event));
    element("hide").addEventListener("click", () => this.toggleModel());
    if (!this.config.judges) return;
    this.filters.addEventListener("change", () => {
      this.skipped = [];
      void this.next();
    });
    this.filters.addEventListener("submit", (event) => event.preventDefault());
    for (const button of document.querySelectorAll<HTMLElement>("[data-label]")) {
      button.addEventListener("click", () => void this.judge(button.dataset["label"] ?? ""));
    }
    element("undo").addEventListener("click", () => void this.undo());
    element("skip").addEventListener("click", () => void this.skip());
    element("draw").addEventListener("click", () => this.setDrawing(!this.stage.classList.contains("drawing")));
    this.stage.addEventListener("pointerdown", (event) => this.beginBox(event));
    const lookup = element<HTMLInputElement>("lookup");
    lookup.addEventListener("input", () => void this.look(lookup.value));
  }

  private undo(): Promise<void> {
    return this.load(() => send<Reply>(this.config.undo, {}));
  }

  private toggleModel(): void {
    const canvas = element("overlay");
    canvas.style.opacity = canvas.style.opacity === "0" ? "1" : "0";
    element("hide").setAttribute("aria-pressed", String(canvas.style.opacity === "0"));
  }

  private onKey(event: KeyboardEvent): void {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.toLowerCase();
    const done = (): void => event.preventDefault();
    if (/^[1-9]$/.test(key)) return done(), this.choose(Number(key));
    if (key === "arrowright") return done(), this.choose(this.rank + 1);
    if (key === "arrowleft") return done(), this.choose(this.rank - 1);
    if (key === "o") return done(), this.toggleModel();
    if (!this.config.judges) return;
    const label = KEYS[key];
    if (label) return done(), void this.judge(label);
    if (key === "u") return done(), void this.undo();
    if (key === "b") return done(), this.setDrawing(!this.stage.classList.contains("drawing"));
    if (key === " ") return done(), void this.skip();
  }

  private beginBox(event: PointerEvent): void {
    const photo = this.shown?.photos[0];
    if (!photo || this.photoIndex !== 0 || !this.stage.classList.contains("drawing")) return;
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    const from = { x: event.clientX, y: event.clientY };
    const finish = new AbortController();
    const move = (to: PointerEvent): void => {
      this.trueBox = drawnBox(from, { x: to.clientX, y: to.clientY }, this.photo.getBoundingClientRect(), photo);
      this.showBoxes();
    };
    this.stage.addEventListener("pointermove", move, { signal: finish.signal });
    const end = (): void => {
      finish.abort();
      this.setDrawing(false);
    };
    this.stage.addEventListener("pointerup", end, { once: true });
  }

  private async look(text: string): Promise<void> {
    const found = await ask<{ products: { id: number; name: string; picture: string }[] }>(
      `${this.config.products}?q=${encodeURIComponent(text)}`,
    );
    if (!found || element<HTMLInputElement>("lookup").value !== text) return;
    element("choices").replaceChildren(
      ...found.products.map((product) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        const picture = document.createElement("img");
        picture.src = product.picture;
        picture.alt = "";
        button.append(picture, product.name);
        button.addEventListener("click", () => {
          this.product = product.id;
          void this.judge("wrong");
        });
        item.append(button);
        return item;
      }),
    );
  }
}

void new Review().begin();
