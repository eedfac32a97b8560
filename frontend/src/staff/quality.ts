/** The plots of how well matching works. */

import "./staff.css";
import { COLORS, draw, percent, type Share, told, whiskers } from "./charts";
import { ask, element } from "./page";

interface Group extends Share {
  name: string;
}

interface Figures {
  searches: number;
  most: number;
  judged: number;
  disputed: number;
  agreement: { n: number; observed: number; kappa: number | null };
  seconds_a_verdict: number | null;
  top: { k: number; right: Share; alike: Share }[];
  by_category: Group[];
  by_generation: Group[];
  calibration: (Share & { score: number })[];
  silhouette: number[];
  stages: { name: string; p50: number; p95: number }[];
  days: { day: string; zero: Share; score: number | null; seconds: number }[];
  confusion: { names: string[]; cells: [number, number, number][] };
  worst_products: { name: string; what: string; n: number; cases: string[] }[];
  worst_photos: { case: string; photo: string | null; label: string; answer?: string; score: number | null }[];
}

const share = { type: "value", min: 0, max: 1, axisLabel: { formatter: (v: number) => percent(v) } };

function numbers(data: Figures): void {
  const kappa = data.agreement.kappa;
  const rows: [string, string][] = [
    [data.searches >= data.most ? `newest ${data.most}` : String(data.searches), "searches"],
    [String(data.judged), "judged"],
    [String(data.disputed), "disputed"],
    [kappa === null ? "–" : kappa.toFixed(2), `Cohen's kappa, of ${data.agreement.n} judged twice`],
    [data.seconds_a_verdict === null ? "–" : `${data.seconds_a_verdict.toFixed(1)} s`, "a verdict (median)"],
    [percent(data.days.length ? zeroRate(data) : null), "said “nothing similar”"],
  ];
  element("numbers").replaceChildren(
    ...rows.map(([value, label]) => {
      const box = document.createElement("div");
      const strong = document.createElement("b");
      strong.textContent = value;
      box.append(strong, label);
      return box;
    }),
  );
}

function zeroRate(data: Figures): number {
  const hits = data.days.reduce((sum, day) => sum + day.zero.hits, 0);
  return hits / Math.max(1, data.searches);
}

function top(data: Figures): void {
  const bar = (name: string, of: (row: Figures["top"][number]) => Share): Record<string, unknown> => ({
    name,
    type: "bar",
    barGap: 0,
    data: data.top.map((row) => of(row).share),
    tooltip: { formatter: (at: { dataIndex: number }) => told(`top ${data.top[at.dataIndex]?.k}`, of(data.top[at.dataIndex]!)) },
  });
  draw(element("plot-top"), {
    legend: { top: 0 },
    xAxis: { type: "category", data: data.top.map((row) => `top ${row.k}`) },
    yAxis: share,
    series: [
      bar("right", (row) => row.right),
      bar("right or similar", (row) => row.alike),
      whiskers(data.top.map((row) => row.right), -0.2),
      whiskers(data.top.map((row) => row.alike), 0.2),
    ],
  });
}

function groups(id: string, rows: Group[]): void {
  const shown = rows.slice(0, 14).reverse();
  const root = element(id);
  if (!shown.length) return tell(root, "Not enough verdicts yet.");
  draw(root, {
    xAxis: share,
    yAxis: { type: "category", data: shown.map((row) => row.name) },
    series: [
      {
        type: "bar",
        data: shown.map((row) => row.share),
        tooltip: { formatter: (at: { dataIndex: number }) => told(shown[at.dataIndex]!.name, shown[at.dataIndex]!) },
      },
      whiskers(shown, 0, true),
    ],
  });
}

function tell(root: HTMLElement, text: string): void {
  root.textContent = text;
  root.style.height = "auto";
}

function calibration(data: Figures): void {
  const rows = data.calibration;
  if (!rows.length) return tell(element("plot-calibration"), "Not enough verdicts yet.");
  draw(element("plot-calibration"), {
    xAxis: { type: "category", name: "calibrated score of the first answer", nameLocation: "middle", nameGap: 28,
      data: rows.map((row) => row.score.toFixed(2)) },
    yAxis: { ...share, name: "right" },
    series: [
      { type: "line", symbolSize: 9, data: rows.map((row) => row.share),
        tooltip: { formatter: (at: { dataIndex: number }) => told(`score ${rows[at.dataIndex]!.score}`, rows[at.dataIndex]!) } },
      whiskers(rows),
    ],
  });
}

function silhouette(data: Figures): void {
  const width = 1 / data.silhouette.length;
  draw(element("plot-silhouette"), {
    xAxis: { type: "category", name: "IoU of model and object", nameLocation: "middle", nameGap: 28,
      data: data.silhouette.map((_, at) => (at * width).toFixed(2)) },
    yAxis: { type: "value", name: "searches" },
    series: [{ type: "bar", barCategoryGap: "8%", data: data.silhouette }],
  });
}

function stages(data: Figures): void {
  const rows = [...data.stages].reverse();
  draw(element("plot-stages"), {
    legend: { top: 0 },
    tooltip: { valueFormatter: (v: unknown) => `${(1000 * Number(v)).toFixed(0)} ms` },
    xAxis: { type: "value", axisLabel: { formatter: (v: number) => `${v.toFixed(1)} s` } },
    yAxis: { type: "category", data: rows.map((row) => row.name) },
    series: [
      { name: "half of all searches", type: "bar", data: rows.map((row) => row.p50) },
      { name: "19 of 20", type: "bar", data: rows.map((row) => row.p95) },
    ],
  });
}

function days(data: Figures): void {
  const rows = data.days;
  draw(element("plot-days"), {
    legend: { top: 0 },
    tooltip: { trigger: "axis" },
    xAxis: { type: "category", data: rows.map((row) => row.day) },
    yAxis: [{ ...share, name: "nothing similar" }, { type: "value", name: "score, seconds", splitLine: { show: false } }],
    series: [
      { name: "said “nothing similar”", type: "line", data: rows.map((row) => row.zero.share),
        tooltip: { valueFormatter: (v: unknown) => percent(v as number) } },
      { name: "best score (median)", type: "line", yAxisIndex: 1, data: rows.map((row) => row.score),
        tooltip: { valueFormatter: (v: unknown) => (v === null ? "–" : Number(v).toFixed(3)) } },
      { name: "seconds, 19 of 20", type: "line", yAxisIndex: 1, data: rows.map((row) => row.seconds),
        tooltip: { valueFormatter: (v: unknown) => Number(v).toFixed(2) } },
    ],
  });
}

function confusion(data: Figures): void {
  const { names, cells } = data.confusion;
  const root = element("plot-confusion");
  if (!cells.length) return tell(root, "No verdict names a right product yet.");
  root.style.height = `${Math.max(15, 4 + 1.6 * names.length)}rem`;
  draw(root, {
    grid: { left: 20, right: 20, top: 10, bottom: 40, containLabel: true },
    tooltip: { formatter: (at: { value: [number, number, number] }) =>
      `${names[at.value[1]]}, answered ${names[at.value[0]]}: ${at.value[2]}` },
    xAxis: { type: "category", data: names, name: "answered", nameLocation: "middle", nameGap: 28, axisLabel: { interval: 0, rotate: names.length > 6 ? 40 : 0 } },
    yAxis: { type: "category", data: names, name: "right" },
    visualMap: { show: false, min: 0, max: Math.max(...cells.map((cell) => cell[2])), inRange: { color: ["#8080801a", COLORS[0]] } },
    series: [{ type: "heatmap", data: cells, label: { show: true } }],
  });
}

function worst(data: Figures): void {
  const body = element("worst-products");
  body.replaceChildren(
    ...data.worst_products.map((row) => {
      const line = document.createElement("tr");
      const links = row.cases.map((url, at) => link(url, `case ${at + 1}`));
      for (const content of [[row.name], [row.what], [String(row.n)], links.flatMap((one) => [one, " "])]) {
        const cell = document.createElement("td");
        cell.append(...content);
        line.append(cell);
      }
      return line;
    }),
  );
  if (!data.worst_products.length) body.textContent = "None yet.";
  element("worst-photos").replaceChildren(
    ...data.worst_photos.map((row) => {
      const card = link(row.case, "");
      if (row.photo) {
        const picture = document.createElement("img");
        picture.src = row.photo;
        picture.alt = "";
        card.append(picture);
      }
      card.append(`${row.label}: ${row.answer ?? "no answer"}${row.score === null ? "" : ` (${row.score.toFixed(2)})`}`);
      return card;
    }),
  );
}

function link(url: string, text: string): HTMLAnchorElement {
  const made = document.createElement("a");
  made.href = url;
  made.textContent = text;
  return made;
}

async function show(): Promise<void> {
  const query = new URLSearchParams(new FormData(element<HTMLFormElement>("filters")) as unknown as Record<string, string>);
  const data = await ask<Figures>(`${element("plots").dataset["url"]}?${query}`);
  if (!data) return void (element("problem").textContent = "The figures can't be had now; reload the page.");
  for (const root of document.querySelectorAll<HTMLElement>(".plot")) {
    const fresh = root.cloneNode(false) as HTMLElement;
    fresh.removeAttribute("style");
    root.replaceWith(fresh);
  }
  numbers(data);
  for (const plot of [top, calibration, silhouette, stages, days, confusion, worst]) plot(data);
  groups("plot-categories", data.by_category);
  groups("plot-generations", data.by_generation);
  element("plots").dataset["shown"] = String(data.searches);
}

element("filters").addEventListener("change", () => void show());
void show();
