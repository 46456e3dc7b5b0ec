// Imports the built package by its own name, the way its users will.
import assert from "node:assert"

const modules = {
  "holdfast": ["Connection", "ConnectionError", "ConnectionState", "ReconnectPolicy", "Transport", "NodeTransport"],
  "holdfast/Connection": ["Connection", "layer", "layerConfig", "make", "Tag"],
  "holdfast/testing": ["TestTransport"],
  "holdfast/exchange": ["Exchange", "Fault"],
  "holdfast/binance": ["MarketEvent"]
}
for (const [name, members] of Object.entries(modules)) {
  const module = await import(name)
  for (const member of members) assert(member in module, `${name} does not export ${member}`)
}
await assert.rejects(import("holdfast/internal/broadcast"), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" })
console.log("the package exports what it promises")
