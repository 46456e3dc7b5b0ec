import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // A module is a file of its name, or the index of a folder of its name.
    alias: [
      { find: /^holdfast$/, replacement: source("index.ts") },
      { find: /^holdfast\/(.+)$/, replacement: source("$1") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    testTimeout: 30_000,
    // What a test logs is of interest when it fails.
    silent: "passed-only"
  }
})
