import { afterEach, describe, expect, it } from "vitest";
import type { Agreement } from "../api/types";
import { parseAnswer } from "../api/client";
import { forget, past, remember } from "./history";
import { readFocal, withFocal } from "./shrink";
import { addCells, cropOf } from "./why";
import { fill, t } from "./words";

afterEach(() => localStorage.clear());

describe("words", () => {
  it("fills in values and keeps what it has none for", () => {
    expect(fill("%(n)s of %(of)s", { n: 2 })).toBe("2 of %(of)s");
    expect(t("Photo %(n)s", { n: 3 })).toBe("Photo 3");
  });
});

describe("history", () => {
  it("keeps the newest first, each search once, a dozen at most", () => {
    for (let i = 0; i < 15; i++) remember({ id: `s${i}`, name: "", picture: "data:," });
    remember({ id: "s10", name: "again", picture: "data:," });
    expect(past().length).toBe(12);
    expect(past()[0]).toMatchObject({ id: "s10", name: "again" });
    forget("s10");
    expect(past().some((one) => one.id === "s10")).toBe(false);
    forget();
    expect(past()).toEqual([]);
  });

  it("is empty where what is kept can't be read", () => {
    localStorage.setItem("shapelens-searches", "{broken");
    expect(past()).toEqual([]);
  });
});

describe("the focal length of a photo", () => {
  const bare = Uint8Array.from([0xff, 0xd8, 0xff, 0xd9]);
  it("survives shrinking, alone of all EXIF", () => {
    const made = withFocal(bare, 27);
    expect(readFocal(made.buffer as ArrayBuffer)).toBe(27);
    expect([...made.slice(-2)]).toEqual([0xff, 0xd9]);
  });
  it("is not known of a photo without EXIF, of another file, or of a cut-off header", () => {
    expect(readFocal(bare.buffer as ArrayBuffer)).toBeNull();
    expect(readFocal(new TextEncoder().encode("GIF89a............").buffer as ArrayBuffer)).toBeNull();
    expect(readFocal(withFocal(bare, 27).slice(0, 30).buffer as ArrayBuffer)).toBeNull();
  });
});

describe("why", () => {
  const found: Agreement = { values: [[0.2, 0, -0.05], [0.3, 0.1, 0.15]], score: 0.7, down: 1, right: 0 };
  it("lays cells whose values sum to the score, shifted where the view fits the photo", () => {
    const place = document.createElement("div");
    addCells(place, found, found.down, found.right);
    const cells = [...place.querySelectorAll<HTMLElement>("span")];
    expect(cells.reduce((sum, cell) => sum + Number(cell.dataset["value"]), 0)).toBeCloseTo(found.score, 6);
    expect(cells[0]!.style.top).toBe("50%");
  });
  it("compares the box with its margin", () => {
    expect(cropOf([16, 32, 32, 64])).toEqual([15, 30, 33, 66]);
  });
});

describe("an answer", () => {
  it("is what is shown and what the script needs", () => {
    const shown = parseAnswer('<p>hello</p><script id="answer-data" type="application/json">{"id":"1","state":"done"}</script>');
    expect(shown.search.state).toBe("done");
    expect(() => parseAnswer("<p>an error page</p>")).toThrow(/Reload/);
  });
});
