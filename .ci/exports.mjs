// Imports the built package by its own name, the way its users will.
import assert from "node:assert"
import { readdirSync, readFileSync } from "node:fs"

const modules = {
  "holdfast": ["Connection", "ConnectionError", "ConnectionState", "ReconnectPolicy", "Transport"],
  "holdfast/Connection": ["Connection", "layer", "layerConfig", "make", "Tag"],
  "holdfast/testing": ["TestTransport"],
  "holdfast/binance/exchange": ["Exchange", "Fault"],
  "holdfast/binance": ["MarketEvent"]
}
for (const [name, members] of Object.entries(modules)) {
  const module = await import(name)
  for (const member of members) assert(member in module, `${name} does not export ${member}`)
}
await assert.rejects(import("holdfast/internal/stream/broadcast"), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" })
// What the declarations import is installed with the package, and has types: its users may check libraries too.
const manifest = (path) => JSON.parse(readFileSync(`${path}package.json`, "utf8"))
const { dependencies, peerDependencies } = manifest("")
const installed = { ...dependencies, ...peerDependencies }
for (const file of readdirSync("dist", { recursive: true }).filter((name) => name.endsWith(".d.ts"))) {
  for (const [, specifier] of readFileSync(`dist/${file}`, "utf8").matchAll(/^(?:import|export) [^";]*from "(?!\.|node:)([^"]+)"/gm)) {
    const [name] = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)
    assert(name in installed, `${file} imports ${name}, which is not installed with the package`)
    const typed = /"(types|typings)"/.test(JSON.stringify(manifest(`node_modules/${name}/`)))
    assert(typed || `@types/${name}` in installed, `${file} imports ${name}, whose types are not installed with the package`)
  }
}
console.log("the package exports what it promises")
