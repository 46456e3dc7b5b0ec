// Imports every public module of the built package by its name, as users do. The list of modules comes from the
// patterns in package.json and the files in src, so that no module is left out.
import assert from "node:assert"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

const manifest = (path) => JSON.parse(readFileSync(`${path}package.json`, "utf8"))
const { dependencies, exports, peerDependencies, peerDependenciesMeta } = manifest("")

const names = readdirSync("src", { recursive: true })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => path.replaceAll("\\", "/").replace(/(\/?index)?\.ts$/, ""))

// Node tries the exact name first, and then the longest pattern that matches.
const entryOf = (name) => {
  const subpath = name === "" ? "." : `./${name}`
  if (subpath in exports) return exports[subpath]
  const patterns = Object.keys(exports).filter((pattern) => {
    const [before, after] = pattern.split("*")
    return after !== undefined && subpath.startsWith(before) && subpath.endsWith(after) && subpath.length >= pattern.length
  })
  const [best] = patterns.sort((a, b) => b.split("*")[0].length - a.split("*")[0].length || b.length - a.length)
  return best === undefined ? undefined : exports[best]
}

let publicModules = 0
for (const name of names) {
  const specifier = name === "" ? "holdfast" : `holdfast/${name}`
  if (entryOf(name) === null) {
    await assert.rejects(import(specifier), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }, `${specifier} should not be public`)
    continue
  }
  assert(!/(^|\/)internal\//.test(name), `${specifier} is internal, but package.json exports it`)
  const module = await import(specifier)
  assert(Object.keys(module).length > 0 || isTypesOnly(name), `${specifier} exports nothing`)
  publicModules++
}

function isTypesOnly(name) {
  const file = ["", "/index"].map((end) => `src/${name}${end}.ts`).find(existsSync)
  return !/^export (?!type|interface)/m.test(readFileSync(file, "utf8"))
}

// Users may compile without skipLibCheck: the package must install, with types, all that the declarations of its public
// modules lead to. They lead to no module of Node, so that nobody needs @types/node.
const installed = { ...dependencies, ...peerDependencies }
const specifiersIn = (file) => [...readFileSync(file, "utf8").replaceAll(/\/\*[^]*?\*\//g, "").matchAll(/(?:\bfrom |\bimport\()"([^"]+)"/g)].map(([, specifier]) => specifier)
const declarations = new Set()
const visit = (file) => {
  if (declarations.has(file)) return
  declarations.add(file)
  for (const specifier of specifiersIn(file)) if (specifier.startsWith(".")) visit(join(dirname(file), specifier.replace(/\.[jt]s$/, ".d.ts")))
}
for (const name of names.filter((name) => entryOf(name) !== null)) {
  visit(["", "/index"].map((end) => join("dist", `${name}${end}.d.ts`)).find(existsSync))
}
for (const file of declarations) {
  for (const specifier of specifiersIn(file).filter((specifier) => !specifier.startsWith("."))) {
    assert(!specifier.startsWith("node:"), `${file} imports ${specifier}, so its users would need @types/node`)
    const [name] = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)
    assert(name in installed, `${file} imports ${name}, which is not installed with the package`)
    assert(!(name in peerDependenciesMeta), `${file} imports ${name}, which is optional`)
    const typed = /"(types|typings)"/.test(JSON.stringify(manifest(`node_modules/${name}/`)))
    assert(typed || `@types/${name}` in installed, `${file} imports ${name}, whose types are not installed with the package`)
  }
}

// Errors about a missing optional peer must name the version range of package.json.
const { versions } = await import(new URL("../dist/internal/optionalPeer.js", import.meta.url))
for (const [name, range] of Object.entries(versions)) {
  assert.strictEqual(peerDependencies[name], range, `optionalPeer.ts and package.json name different versions of ${name}`)
  assert(peerDependenciesMeta[name]?.optional, `${name} is loaded as an optional peer, but package.json does not list it as one`)
}
assert.deepStrictEqual(Object.keys(versions), Object.keys(peerDependenciesMeta))
console.log(`all ${publicModules} public modules can be imported`)
