import { defineConfig } from "vite";

// One script with everything in it, to be written into a page that works with no server (catalog/services/exporting.py).
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "../webapp/static/dist",
    emptyOutDir: false,
    target: "es2022",
    chunkSizeWarningLimit: 900, // three.js
    lib: { entry: "src/standalone.ts", formats: ["iife"], name: "match", fileName: () => "match.js" },
  },
});
