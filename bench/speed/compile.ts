// Compiles the package and the contestants before they run: users run the built package, and a loader would slow the
// contestants down.
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const tsc = "node_modules/typescript/bin/tsc"

/** Compiles the package and the contestants of a checkout. */
export const compile = async (root: URL): Promise<void> => {
  for (const args of [[tsc, "-p", "tsconfig.build.json"], [".ci/pure.mjs"], [".ci/bundle.mjs"], [tsc, "-p", "bench/speed/tsconfig.build.json"]]) {
    execFileSync(process.execPath, args, { cwd: fileURLToPath(root), stdio: ["ignore", "ignore", "inherit"] })
  }
  // The bundled contestants, since some users bundle their programs.
  await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: ["start", "first"].map((name) => `bench/speed/dist/contestants/${name}.js`),
    outdir: "bench/speed/dist/bundled",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    minify: true,
    platform: "node"
  })
}
