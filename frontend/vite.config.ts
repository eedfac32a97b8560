/// <reference types="vitest/config" />
import { defineConfig } from "vite";

// Django finds the built files by the manifest (django-vite, static_url_prefix "dist").
export default defineConfig({
  base: "/static/dist/",
  build: {
    outDir: "../webapp/static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    chunkSizeWarningLimit: 900, // three.js
    rollupOptions: {
      input: [
        "src/search.ts",
        "src/product.ts",
        "src/share.ts",
        "src/site.ts",
        "src/staff/review.ts",
        "src/staff/quality.ts",
        "src/staff/tune.ts",
        "src/staff/comparison.ts",
        "src/staff/imports.ts",
      ],
    },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.ts"] },
});
