import { expect, it } from "vitest";
import { sentence } from "../api/client";
import { complaint } from "./upload";

const photo = (name: string, size: number, type = "image/jpeg"): File => {
  const file = new File(["x"], name, { type });
  Object.defineProperty(file, "size", { value: size });
  return file;
};

it("accepts photos, also of an unknown type, which the server will look at", () => {
  expect(complaint([photo("a.jpg", 5), photo("b.heic", 5, "")])).toBeNull();
});

it("says what is wrong and what to do", () => {
  expect(complaint([photo("a.jpg", 0)])).toMatch(/empty/);
  expect(complaint([photo("a.jpg", 30 * 2 ** 20)])).toMatch(/30 MB.*25 MB/);
  expect(complaint([photo("notes.txt", 5, "text/plain")])).toMatch(/not a photo/);
  expect(complaint(Array.from({ length: 7 }, (_, i) => photo(`${i}.jpg`, 5)))).toMatch(/at most 6/);
});

it("makes a sentence of an error", () => {
  expect(sentence("the box is empty; draw it")).toBe("The box is empty; draw it.");
  expect(sentence("cat.jpg is empty")).toBe("cat.jpg is empty.");
});
