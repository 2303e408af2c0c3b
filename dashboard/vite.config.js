// Builds the page into the package, where callmux.dashboard.built finds it.
import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

/** The licences of what is built in: they ask to go with it. */
const licences = {
  name: "licences",
  generateBundle() {
    const parts = ["preact", "uplot"].map((name) => {
      const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
      return `${name} ${about.version}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`;
    });
    this.emitFile({ type: "asset", name: "licences.txt", source: parts.join("\n----\n\n") });
  },
};

export default defineConfig({
  base: "./",
  publicDir: false,
  plugins: [licences],
  build: {
    outDir: "../src/callmux/dashboard/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: "page-[hash].js",
        chunkFileNames: "part-[hash].js",
        assetFileNames: "[name]-[hash][extname]",
      },
    },
  },
});
