/** ECharts, only the parts in use; one look for light and dark. */

import { BarChart, CustomChart, HeatmapChart, LineChart, ScatterChart } from "echarts/charts";
import {
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([
  BarChart,
  CustomChart,
  GridComponent,
  HeatmapChart,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  ScatterChart,
  SVGRenderer,
  TooltipComponent,
  VisualMapComponent,
]);

export interface Share {
  n: number;
  hits: number;
  share: number | null;
  low: number;
  high: number;
}

export const COLORS = ["#0b7a6f", "#d97706", "#4f6bd8", "#b91c1c"];

export const isDark = (): boolean => document.documentElement.classList.contains("dark");

/** A chart that fills its element and follows its size. */
export function draw(root: HTMLElement, option: EChartsCoreOption): EChartsType {
  const chart = init(root, isDark() ? "dark" : undefined, { renderer: "svg" });
  chart.setOption({
    backgroundColor: "transparent",
    color: COLORS,
    animation: false,
    tooltip: {},
    grid: { left: 48, right: 16, top: 30, bottom: 36, containLabel: true },
    ...option,
  });
  new ResizeObserver(() => chart.resize()).observe(root);
  root.dataset["drawn"] = "1";
  return chart;
}

export const percent = (share: number | null): string => (share === null ? "–" : `${(100 * share).toFixed(0)}%`);

export const told = (name: string, share: Share): string =>
  `${name}: ${percent(share.share)} (${share.hits} of ${share.n}), 95% sure: ${percent(share.low)} to ${percent(share.high)}`;

/** Whiskers of 95% intervals over bars or points at whole x; offset in bar widths. */
export function whiskers(shares: Share[], offset = 0, isLying = false): Record<string, unknown> {
  return {
    type: "custom",
    silent: true,
    z: 5,
    data: shares.flatMap((share, at) => (share.n ? [whisker(share, at, isLying)] : [])),
    renderItem: (_: unknown, api: CustomApi) => {
      const at = api.value(isLying ? 1 : 0);
      const [low, high] = [api.value(isLying ? 0 : 1), api.value(2)];
      const a = api.coord(isLying ? [low, at] : [at, low]);
      const b = api.coord(isLying ? [high, at] : [at, high]);
      const shift = offset * (isLying ? 0 : (api.size([1, 0])[0] ?? 0));
      return {
        type: "line",
        shape: { x1: a[0] + shift, y1: a[1], x2: b[0] + shift, y2: b[1] },
        style: { stroke: isDark() ? "#e5e7eb" : "#374151", lineWidth: 1.5 },
      };
    },
  };
}

function whisker(share: Share, at: number, isLying: boolean): number[] {
  return isLying ? [share.low, at, share.high] : [at, share.low, share.high];
}

interface CustomApi {
  value(dimension: number): number;
  coord(point: number[]): [number, number];
  size(extent: number[]): number[];
}
