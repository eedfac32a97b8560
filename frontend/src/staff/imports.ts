/** A new import: its file is sent in pieces and goes on after a broken line. A running one: how far it is. */

import "./staff.css";
import { Upload } from "tus-js-client";
import { ask, element, token } from "./page";

const PIECE = 8 * 1024 * 1024;

interface Progress {
  state: string;
  label: string;
  processed: number;
  total: number;
  rate: number;
  left: number | null;
  is_going_on: boolean;
}

function listenNew(form: HTMLFormElement): void {
  const file = element<HTMLInputElement>("file");
  const bar = element<HTMLProgressElement>("sent");
  const told = element("told");
  const id = form.elements.namedItem("upload") as HTMLInputElement;
  const buttons = form.querySelectorAll<HTMLButtonElement>("button");
  const pause = element<HTMLButtonElement>("pause");
  file.addEventListener("change", () => void send());

  async function send(): Promise<void> {
    const chosen = file.files?.[0];
    if (!chosen) return;
    id.value = "";
    bar.hidden = pause.hidden = false;
    for (const button of buttons) button.disabled = button.id !== "pause";
    const upload = new Upload(chosen, {
      endpoint: form.dataset["uploads"] ?? "",
      chunkSize: PIECE,
      retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000],
      headers: { "X-CSRFToken": token() },
      metadata: { filename: chosen.name },
      removeFingerprintOnSuccess: true,
      onProgress: (done, total) => {
        bar.value = total ? done / total : 0;
        told.textContent = `${(done / 2 ** 20).toFixed(1)} of ${(total / 2 ** 20).toFixed(1)} MB sent`;
      },
      onError: (error) => {
        told.textContent = `It could not be sent: ${error.message.slice(0, 200)}. Choose the same file again to go on.`;
        for (const button of buttons) button.disabled = false;
        pause.hidden = true;
      },
      onSuccess: () => {
        id.value = (upload.url ?? "").replace(/\/$/, "").split("/").pop() ?? "";
        told.textContent = `${chosen.name} is here.`;
        for (const button of buttons) button.disabled = false;
        pause.hidden = true;
      },
    });
    let isPaused = false;
    pause.onclick = () => {
      isPaused = !isPaused;
      pause.textContent = isPaused ? "Go on" : "Pause";
      if (isPaused) void upload.abort();
      else upload.start();
    };
    const [before] = await upload.findPreviousUploads();
    if (before) upload.resumeFromPreviousUpload(before);
    upload.start();
  }
}

function watch(root: HTMLElement): void {
  const bar = root.querySelector("progress");
  const look = async (): Promise<void> => {
    const now = await ask<Progress>(root.dataset["progress"] ?? "");
    if (now && !now.is_going_on) return void location.reload();
    if (now) {
      if (bar) [bar.max, bar.value] = [Math.max(1, now.total), now.processed];
      const left = now.left === null ? "" : `, about ${duration(now.left)} left`;
      const rate = now.rate ? `, ${now.rate.toFixed(1)} a second${left}` : "";
      element("told").textContent = `${now.label}: ${now.processed} of ${now.total || "?"} files${rate}`;
    }
    setTimeout(() => void look(), 1000);
  };
  void look();
}

function duration(seconds: number): string {
  return seconds < 90 ? `${seconds} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const form = document.querySelector<HTMLFormElement>("form[data-uploads]");
if (form) listenNew(form);
const going = document.querySelector<HTMLElement>("[data-progress]");
if (going) watch(going);
const all = document.querySelector<HTMLInputElement>("#tick-all");
all?.addEventListener("change", () => {
  for (const box of document.querySelectorAll<HTMLInputElement>("input[name=item]")) box.checked = all.checked;
});
