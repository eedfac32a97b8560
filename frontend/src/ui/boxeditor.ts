/** The box over the photo: drag it, drag its handles, draw a new one, or use the arrow keys. */

import type { Box } from "../api/types";
import { apart, dragged, type Handle, spanned } from "./geometry";
import { t } from "./words";

const HANDLES: Handle[] = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const LEAST = 0.03; // of the photo's longer side
const DOT = 0.1; // of the photo's width: a dot's, on a phone
const KEY_STEP = 0.01;

export class BoxEditor {
  isTouched = false; // by a pointer or a key; whoever shows another box says when that is over
  private box: Box | null = null;
  private width = 1;
  private height = 1;
  private readonly frame = document.createElement("div");
  private readonly dots = document.createElement("div");

  /** root covers the photo exactly. onChange is told the box once a movement ends. */
  constructor(
    private readonly root: HTMLElement,
    private readonly onChange: (box: Box) => void,
  ) {
    this.dots.className = "dots";
    this.frame.className = "box";
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "group");
    this.frame.setAttribute(
      "aria-label",
      t("Box around the object. Arrow keys move it, Shift and arrow keys change its size, Enter searches."),
    );
    for (const name of HANDLES) {
      const handle = document.createElement("span");
      handle.className = `handle ${name}`;
      handle.dataset["handle"] = name;
      this.frame.append(handle);
    }
    root.append(this.frame, this.dots);
    root.addEventListener("pointerdown", (event) => this.begin(event));
    this.frame.addEventListener("keydown", (event) => this.onKey(event));
  }

  setPhoto(width: number, height: number): void {
    [this.width, this.height] = [width, height];
    this.place();
  }

  setBox(box: Box | null): void {
    this.box = box;
    this.place();
  }

  /** A dot on each object that was found; pressing one chooses it. */
  setDetections(boxes: Box[]): void {
    const points = apart(boxes, DOT * this.width);
    this.dots.replaceChildren(
      ...boxes.map((box, index) => {
        const dot = document.createElement("button");
        dot.type = "button";
        dot.className = "dot";
        const [x, y] = points[index]!;
        dot.style.left = `${(100 * x) / this.width}%`;
        dot.style.top = `${(100 * y) / this.height}%`;
        dot.setAttribute("aria-label", t("Search object %(n)s of %(of)s", { n: index + 1, of: boxes.length }));
        dot.addEventListener("click", () => {
          this.setBox(box);
          this.onChange(box);
        });
        return dot;
      }),
    );
  }

  private place(): void {
    this.frame.hidden = this.box === null;
    if (!this.box) return;
    const [x0, y0, x1, y1] = this.box;
    const percent = (value: number, whole: number): string => `${(100 * value) / whole}%`;
    Object.assign(this.frame.style, {
      left: percent(x0, this.width),
      top: percent(y0, this.height),
      width: percent(x1 - x0, this.width),
      height: percent(y1 - y0, this.height),
    });
  }

  private begin(event: PointerEvent): void {
    const target = event.target as HTMLElement;
    if (event.button !== 0 || target.closest(".dot")) return;
    event.preventDefault();
    this.isTouched = true;
    const handle = target.dataset["handle"] as Handle | undefined;
    const isInside = target === this.frame;
    const start = this.at(event);
    const before = this.box;
    const least = LEAST * Math.max(this.width, this.height);
    this.root.setPointerCapture(event.pointerId);
    const move = (next: PointerEvent): void => {
      const [x, y] = this.at(next);
      const [dx, dy] = [x - start[0], y - start[1]];
      if (before && (handle || isInside)) {
        this.setBox(dragged(before, handle ?? "move", dx, dy, this.width, this.height, least));
      } else if (Math.abs(dx) > least && Math.abs(dy) > least) {
        this.setBox(spanned(start[0], start[1], x, y, this.width, this.height));
      }
    };
    const finish = new AbortController();
    const options = { signal: finish.signal };
    this.root.addEventListener("pointermove", move, options);
    this.root.addEventListener(
      "pointerup",
      () => {
        finish.abort();
        if (this.box && this.box !== before) this.onChange(this.box);
        else this.isTouched = false;
      },
      options,
    );
    this.root.addEventListener(
      "pointercancel", // the finger scrolls the page
      () => {
        finish.abort();
        this.isTouched = false;
        this.setBox(before);
      },
      options,
    );
    this.frame.focus({ preventScroll: true });
  }

  private onKey(event: KeyboardEvent): void {
    if (!this.box) return;
    if (event.key === "Enter") {
      this.onChange(this.box);
      return;
    }
    const step = KEY_STEP * Math.max(this.width, this.height);
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const by = moves[event.key];
    if (!by) return;
    event.preventDefault();
    this.isTouched = true;
    const handle: Handle = event.shiftKey ? "se" : "move";
    const least = LEAST * Math.max(this.width, this.height);
    this.setBox(dragged(this.box, handle, by[0], by[1], this.width, this.height, least));
  }

  /** Pixels of the photo under the pointer. */
  private at(event: PointerEvent): [number, number] {
    const frame = this.root.getBoundingClientRect();
    return [
      ((event.clientX - frame.left) / frame.width) * this.width,
      ((event.clientY - frame.top) / frame.height) * this.height,
    ];
  }
}
