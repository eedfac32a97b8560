/** The cut-off, moved on a plot. */

import "./staff.css";
import { COLORS, draw, percent } from "./charts";
import { changed, effect, type Point } from "./cutoff";
import { element } from "./page";

interface Case extends Point {
  label: string;
  case: string;
  photo: string | null;
}

const data = JSON.parse(element("data").textContent ?? "{}") as {
  points: Case[];
  value: number | null;
  built_in: number | null;
};
const scores = data.points.map((point) => point.score);
const now = data.value ?? 0;
const low = Math.min(now, ...scores) - 0.05;
const high = Math.max(now, ...scores) + 0.05;
const slider = element<HTMLInputElement>("slider");
const field = element<HTMLInputElement>("value");

const STEPS = 120;
const at = Array.from({ length: STEPS + 1 }, (_, k) => low + ((high - low) * k) / STEPS);
const curve = (of: "precision" | "recall"): [number, number | null][] =>
  at.map((cutOff) => [cutOff, effect(data.points, cutOff)[of]]);

const chart = draw(element("plot"), {
  legend: { top: 0 },
  tooltip: { trigger: "axis", valueFormatter: (v: unknown) => percent(v as number | null) },
  xAxis: { type: "value", min: low, max: high, axisLine: { onZero: false }, name: "cut-off on the best calibrated score", nameLocation: "middle",
    nameGap: 28, axisLabel: { formatter: (v: number) => v.toFixed(2) } },
  yAxis: { type: "value", min: 0, max: 1.08, axisLine: { onZero: false }, axisLabel: { formatter: (v: number) => (v > 1 ? "" : percent(v)) } },
  series: [
    { name: "precision", type: "line", showSymbol: false, data: curve("precision") },
    { name: "recall", type: "line", showSymbol: false, data: curve("recall") },
    { name: "right or similar", type: "scatter", symbolSize: 7, color: COLORS[0], tooltip: { show: false },
      data: data.points.filter((point) => point.good).map((point) => [point.score, 1.05]) },
    { name: "neither", type: "scatter", symbolSize: 7, color: COLORS[3], tooltip: { show: false },
      data: data.points.filter((point) => !point.good).map((point) => [point.score, 0.02]) },
  ],
});

function show(cutOff: number): void {
  chart.setOption({
    series: [
      {
        name: "precision",
        markLine: {
          symbol: "none",
          label: { formatter: "{b}" },
          data: [
            { xAxis: now, name: "now", lineStyle: { color: "#6b7280" } },
            { xAxis: cutOff, name: "new", lineStyle: { color: COLORS[3], width: 2 } },
          ],
        },
      },
    ],
  });
  const before = effect(data.points, now);
  const after = effect(data.points, cutOff);
  element("effect").textContent =
    `Precision ${percent(before.precision)} → ${percent(after.precision)}, recall ${percent(before.recall)} → ` +
    `${percent(after.recall)}; answered ${before.shown} → ${after.shown} of ${data.points.length} judged searches.`;
  const cases = changed(data.points, now, cutOff);
  element("changed-title").textContent =
    cases.length === 0
      ? "No judged search changes."
      : `${cases.length} would ${cutOff > now ? "now be told “nothing similar”" : "be answered again"}:`;
  element("changed").replaceChildren(
    ...cases.slice(0, 40).map((one) => {
      const card = document.createElement("a");
      card.href = one.case;
      if (one.photo) {
        const picture = document.createElement("img");
        picture.src = one.photo;
        picture.alt = "";
        card.append(picture);
      }
      card.append(`${one.label} (${one.score.toFixed(2)})`);
      return card;
    }),
  );
}

function move(cutOff: number): void {
  slider.value = String(cutOff);
  field.value = cutOff.toFixed(3);
  show(cutOff);
}

slider.min = String(low);
slider.max = String(high);
slider.step = String((high - low) / 400);
slider.addEventListener("input", () => move(Number(slider.value)));
field.addEventListener("change", () => move(Number(field.value) || 0));
chart.getZr().on("click", (event: { offsetX: number; offsetY: number }) => {
  const [x] = chart.convertFromPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY]) as [number, number];
  if (Number.isFinite(x)) move(Math.min(high, Math.max(low, x)));
});
move(now);
