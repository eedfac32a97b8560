/**
 * The aligned model over a photo. The canvas covers the photo exactly; its clip space is the photo's pixels,
 * so that the model stands right at any size of the window. Draws only when something has changed.
 */

import { Group, Mesh, PerspectiveCamera, Scene, WebGLRenderer } from "three";
import {
  applyCamera,
  AT_REST,
  type Nudge,
  nudged,
  type PinholeCamera,
  type Turn,
  turnedViewpoint,
} from "./camera";
import { addLights, edgesOf, freeModel, loadModel, radiusOf } from "./model";
import { place, pointsOf } from "./placing";

export type Look = "solid" | "outline" | "wireframe";

/** Seen from there, and filling the box of a width x height photo of that focal length, pixels. */
export interface Seat {
  azimuth: number;
  elevation: number;
  box: [number, number, number, number];
  width: number;
  height: number;
  focal: number;
}

const SNAP_MS = 380;
const TURN_SPEED = Math.PI; // radians a canvas' width
const MOST_PITCH = Math.PI / 2;
const OUTLINE = 0x12a594;

export class Overlay {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera();
  private readonly holder = new Group();
  private pinhole: PinholeCamera | null = null;
  private isAdjusting = false;
  private turn: Turn = { ...AT_REST };
  private radius = 1;
  private look: Look = "solid";
  private shown: Group | null = null;
  private outline: Group | null = null;
  private requested = 0;
  private token = 0;
  private snapping = 0;
  private readonly observer: ResizeObserver;
  private readonly finish = new AbortController();

  /** onTurn is told whether the model is away from its pose. Throws where there is no WebGL. */
  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly onTurn: (isAway: boolean) => void = () => {},
  ) {
    // kept after drawing, so that a picture of the canvas can be taken at any time
    this.renderer = new WebGLRenderer({ canvas, alpha: true, antialias: true, preserveDrawingBuffer: true });
    this.renderer.setClearColor(0, 0);
    addLights(this.scene, this.camera);
    this.scene.add(this.holder);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
    this.listen();
  }

  /** Load and show; a later call wins over an earlier one that is still loading. */
  async show(url: string, where: PinholeCamera | Seat, tell?: (share: number | null) => void): Promise<void> {
    const mine = ++this.token;
    const model = await loadModel(url, tell);
    if (mine !== this.token) return;
    this.empty();
    this.shown = model;
    this.holder.add(model);
    this.radius = radiusOf(model);
    this.put(where);
    this.setTurn({ ...AT_REST });
    this.setLook(this.look);
    this.resize();
    this.draw();
  }

  /** Stand elsewhere: at a camera, or placed by a viewpoint. */
  put(where: PinholeCamera | Seat): void {
    if ("azimuth" in where) {
      if (!this.shown) return;
      const { azimuth, elevation, box, width, height, focal } = where;
      this.pinhole = place(pointsOf(this.shown), azimuth, elevation, box, width, height, focal);
    } else this.pinhole = where;
    this.setTurn({ ...AT_REST });
  }

  /** Where the model stands, as moved by hand. */
  get standing(): PinholeCamera | null {
    return this.pinhole;
  }

  /** Whether a hand moves the model in the photo, rather than turning it to be looked at. */
  adjust(isOn: boolean): void {
    this.setTurn({ ...AT_REST });
    this.isAdjusting = isOn;
    this.canvas.dataset["adjusting"] = String(isOn);
  }

  nudge(by: Nudge): void {
    if (!this.pinhole) return;
    this.pinhole = nudged(this.pinhole, by);
    this.request();
  }

  clear(): void {
    this.token += 1;
    this.empty();
    this.pinhole = null;
    this.draw();
  }

  /** False where the model is too heavy for an outline. */
  setLook(look: Look): boolean {
    this.look = look;
    if (look === "outline" && this.shown && !this.outline) {
      this.outline = edgesOf(this.shown, OUTLINE);
      if (this.outline) this.holder.add(this.outline);
    }
    const isOutlined = look === "outline" && this.outline !== null;
    if (this.shown) {
      this.shown.visible = !isOutlined;
      this.shown.traverse((node) => {
        if (!(node instanceof Mesh)) return;
        for (const material of [node.material].flat()) material.wireframe = look === "wireframe";
      });
    }
    if (this.outline) this.outline.visible = isOutlined;
    this.request();
    return look !== "outline" || this.outline !== null || this.shown === null;
  }

  get isAway(): boolean {
    return this.turn.yaw !== 0 || this.turn.pitch !== 0 || this.turn.zoom !== 1;
  }

  /** From where the model is seen as it stands now, given the pose it rests in; degrees. */
  viewpoint(azimuthDeg: number, elevationDeg: number): { azimuth_deg: number; elevation_deg: number } {
    return turnedViewpoint(azimuthDeg, elevationDeg, this.turn);
  }

  rotate(yaw: number, pitch: number): void {
    this.snapping += 1;
    if (this.isAdjusting) {
      this.nudge({ yaw, pitch });
      return;
    }
    const bounded = Math.max(-MOST_PITCH, Math.min(MOST_PITCH, this.turn.pitch + pitch));
    this.setTurn({ ...this.turn, yaw: this.turn.yaw + yaw, pitch: bounded });
  }

  zoom(factor: number): void {
    this.snapping += 1;
    if (this.isAdjusting) {
      this.nudge({ zoom: factor });
      return;
    }
    this.setTurn({ ...this.turn, zoom: Math.max(0.3, Math.min(4, this.turn.zoom * factor)) });
  }

  /** Back to the pose, smoothly unless the shopper wants no motion. */
  snapBack(): void {
    const from = { ...this.turn, yaw: wrapped(this.turn.yaw) };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.setTurn({ ...AT_REST });
      return;
    }
    const started = performance.now();
    const mine = ++this.snapping;
    const token = this.token;
    const step = (now: number): void => {
      if (mine !== this.snapping || token !== this.token) return; // turned by hand, or another model
      const t = Math.min(1, (now - started) / SNAP_MS);
      const left = t < 1 ? (1 - t) ** 3 : 0;
      this.setTurn({ yaw: from.yaw * left, pitch: from.pitch * left, zoom: 1 + (from.zoom - 1) * left });
      if (t < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  dispose(): void {
    this.finish.abort();
    this.observer.disconnect();
    this.empty();
    this.renderer.dispose();
  }

  /** The model stays in memory for a while; its outline is made anew. */
  private empty(): void {
    this.holder.clear();
    if (this.outline) freeModel(this.outline);
    this.shown = this.outline = null;
  }

  private setTurn(turn: Turn): void {
    this.turn = turn;
    this.onTurn(this.isAway);
    this.request();
  }

  private request(): void {
    if (this.requested) return;
    this.requested = requestAnimationFrame(() => {
      this.requested = 0;
      this.draw();
    });
  }

  private draw(): void {
    if (this.pinhole) applyCamera(this.camera, this.pinhole, this.turn, this.radius);
    this.renderer.render(this.scene, this.camera);
    this.canvas.dataset["drawn"] = String(Number(this.canvas.dataset["drawn"] ?? 0) + 1);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.draw();
  }

  private listen(): void {
    const pointers = new Map<number, PointerEvent>();
    const options = { signal: this.finish.signal };
    this.canvas.addEventListener(
      "pointerdown",
      (event) => {
        this.canvas.setPointerCapture(event.pointerId);
        pointers.set(event.pointerId, event);
      },
      options,
    );
    this.canvas.addEventListener(
      "pointermove",
      (event) => {
        const before = pointers.get(event.pointerId);
        if (!before) return;
        const scale = TURN_SPEED / this.canvas.clientWidth;
        if (pointers.size === 1 && this.isAdjusting && !event.shiftKey) {
          const pixels = (this.pinhole?.width ?? 1) / this.canvas.clientWidth;
          this.nudge({ x: (event.clientX - before.clientX) * pixels, y: (event.clientY - before.clientY) * pixels });
        } else if (pointers.size === 1) {
          this.rotate((event.clientX - before.clientX) * scale, -(event.clientY - before.clientY) * scale);
        } else {
          const other = [...pointers.values()].find((p) => p.pointerId !== event.pointerId);
          if (other) {
            this.zoom(apart(event, other) / Math.max(1, apart(before, other)));
            if (this.isAdjusting) this.rotate(turnBetween(before, event, other), 0);
          }
        }
        pointers.set(event.pointerId, event);
      },
      options,
    );
    for (const name of ["pointerup", "pointercancel"] as const) {
      this.canvas.addEventListener(name, (event) => pointers.delete(event.pointerId), options);
    }
    this.canvas.addEventListener("keydown", (event) => this.onKey(event), options);
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        if (!this.isAdjusting) return; // else the page scrolls
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 600));
      },
      { ...options, passive: false },
    );
  }

  private onKey(event: KeyboardEvent): void {
    const step = Math.PI / 18;
    const slide = this.isAdjusting ? (this.pinhole?.width ?? 1) / 200 : 0;
    const slides: Record<string, Nudge> = {
      ArrowLeft: { x: -slide },
      ArrowRight: { x: slide },
      ArrowUp: { y: -slide },
      ArrowDown: { y: slide },
      q: { yaw: -step / 4 },
      e: { yaw: step / 4 },
      "+": { zoom: 1.02 },
      "-": { zoom: 1 / 1.02 },
    };
    const by = slides[event.key];
    if (this.isAdjusting && by) {
      event.preventDefault();
      this.nudge(by);
      return;
    }
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.rotate(-step, 0),
      ArrowRight: () => this.rotate(step, 0),
      ArrowUp: () => this.rotate(0, step),
      ArrowDown: () => this.rotate(0, -step),
      "+": () => this.zoom(1.1),
      "-": () => this.zoom(1 / 1.1),
      Escape: () => this.snapBack(),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }
}

function apart(a: PointerEvent, b: PointerEvent): number {
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

/** By how much the line to the other finger has turned, radians. */
function turnBetween(before: PointerEvent, now: PointerEvent, other: PointerEvent): number {
  const angle = (event: PointerEvent): number =>
    Math.atan2(event.clientY - other.clientY, event.clientX - other.clientX);
  return wrapped(angle(now) - angle(before));
}

/** The same angle within half a turn of 0. */
function wrapped(angle: number): number {
  return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
}
