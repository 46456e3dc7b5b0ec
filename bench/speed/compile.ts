// Compiles the package and the contestants before they run: users run the built package, and a loader would slow the
// contestants down.
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const tsc = "node_modules/typescript/bin/tsc"

/** Compiles the package and the contestants of a checkout. */
export const compile = async (root: URL): Promise<void> => {
  // An older checkout may lack a step, or a contestant.
  const has = (path: string) => existsSync(new URL(path, root))
  const steps = [[tsc, "-p", "tsconfig.build.json"], [".ci/pure.mjs"], [".ci/bundle.mjs"], [tsc, "-p", "bench/speed/tsconfig.build.json"]]
  for (const args of steps.filter(([script = ""]) => has(script))) {
    execFileSync(process.execPath, args, { cwd: fileURLToPath(root), stdio: ["ignore", "ignore", "inherit"] })
  }
  // The bundled contestants, since some users bundle their programs.
  await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: ["start", "first"].map((name) => `bench/speed/dist/contestants/${name}.js`).filter(has),
    outdir: "bench/speed/dist/bundled",
    outExtension: { ".js": ".cjs" },
    bundle: true,
    minify: true,
    platform: "node"
  })
}
