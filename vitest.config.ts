import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // `holdfast/x` is src/x.ts, or the index of the folder src/x.
    alias: [
      { find: /^holdfast$/, replacement: source("index.ts") },
      { find: /^holdfast\/(.+)$/, replacement: source("$1") }
    ]
  },
  test: {
    projects: [
      { extends: true, test: { name: "all", include: ["test/**/*.test.ts", "examples/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "eager fibres",
          include: [
            "test/{DialGate,Listenable,NodeTransport,Session,sockets}.test.ts",
            "test/{connection,pool}/*.test.ts"
          ],
          setupFiles: ["test/utils/eagerFibres.ts"],
          env: { FIBRES: "eager" }
        }
      }
    ],
    // The tests wait more than they compute: three files at once take two cores.
    maxWorkers: 3,
    minWorkers: 1,
    testTimeout: 30_000,
    // Print the logs of failed tests only.
    silent: "passed-only"
  }
})
