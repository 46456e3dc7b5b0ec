// Checks which rooms may import which. A room is a folder of src, or a public module in src itself.
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const Retired = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.String }))

const src = fileURLToPath(new URL("../src/", import.meta.url))

/**
 * The layers, lowest first. A layer imports no value from a higher one, but may import the types of a higher facade.
 */
const layers: ReadonlyArray<readonly [name: string, rooms: ReadonlyArray<string>]> = [
  ["tools", ["internal/time", "internal/json", "internal/closeScope", "internal/optionalPeer", "internal/platformError", "internal/reason"]],
  ["streams", ["Listenable", "internal/stream"]],
  ["transport", ["ConnectionError", "Transport", "NodeTransport", "internal/transport"]],
  ["connection", [
    "Connection",
    "ConnectionEvent",
    "ConnectionState",
    "DialGate",
    "FailureClass",
    "Item",
    "Liveness",
    "Metrics",
    "PlatformSocket",
    "ReconnectPolicy",
    "ConfigFile",
    "internal/connection"
  ]],
  ["session", ["Session", "SessionError", "SessionEvent", "SessionProtocol", "internal/session"]],
  ["pool", ["internal/pool"]],
  ["feed", ["market", "internal/feed", "internal/recording"]],
  ["venue", ["binance"]],
  ["program", ["testing", "index", "cli", "main"]]
]

interface Arrow {
  readonly from: string
  readonly to: string
  readonly isType: boolean
}

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"))

const arrows: ReadonlyArray<Arrow> = files.flatMap((from) =>
  [...readFileSync(join(src, from), "utf8").matchAll(/^(?:import|export)( type)?[^;"']*? from "(\.[^"]+)"|import\("(\.[^"]+)"\)/gm)]
    .map(([, isType, target = "", dynamic = ""]) => ({
      from,
      to: relative(src, join(src, dirname(from), target || dynamic)).replaceAll("\\", "/"),
      isType: isType !== undefined
    }))
)

const roomOf = (file: string): string => {
  const [first = "", second] = file.replace(/\.ts$/, "").split("/")
  return first === "internal" && second !== undefined ? `internal/${second}` : first
}
const layerOf = (file: string): number => layers.findIndex(([, rooms]) => rooms.includes(roomOf(file)))
const isFacade = (file: string): boolean => !file.startsWith("internal/")
const show = ({ from, to }: Arrow) => `${from} -> ${to}`

describe("the rooms of src", () => {
  it("each belong to a layer, and every room of a layer exists", () => {
    assert.deepStrictEqual(files.filter((file) => layerOf(file) === -1), [])
    const rooms = new Set(files.map(roomOf))
    assert.deepStrictEqual(layers.flatMap(([, all]) => all).filter((room) => !rooms.has(room)), [])
    assert.isAbove(arrows.length, files.length)
  })

  it("import no value from a higher layer", () => {
    const upward = arrows.filter((arrow) => !arrow.isType && layerOf(arrow.to) > layerOf(arrow.from))
    assert.deepStrictEqual(upward.map(show), [])
  })

  it("import no type from a higher layer, except from a facade", () => {
    const upward = arrows.filter(({ from, to }) => layerOf(to) > layerOf(from) && !isFacade(to))
    assert.deepStrictEqual(upward.map(show), [])
  })

  it("below the venue import nothing from it, not even a type", () => {
    const venue = layers.findIndex(([name]) => name === "venue")
    const found = arrows.filter(({ from, to }) => layerOf(from) < venue && layerOf(to) >= venue)
    assert.deepStrictEqual(found.map(show), [])
  })

  it("have no import cycle of values", () => {
    const next = new Map<string, ReadonlyArray<string>>()
    for (const { from, isType, to } of arrows) if (!isType) next.set(from, [...next.get(from) ?? [], to])
    const done = new Set<string>()
    const cycles: Array<string> = []
    const walk = (file: string, path: ReadonlyArray<string>) => {
      const at = path.indexOf(file)
      if (at >= 0) cycles.push([...path.slice(at), file].join(" -> "))
      if (at >= 0 || done.has(file)) return
      for (const target of next.get(file) ?? []) walk(target, [...path, file])
      done.add(file)
    }
    for (const file of files) walk(file, [])
    assert.deepStrictEqual(cycles, [])
  })

  it("have no retired name", () => {
    const retired = Object.keys(Schema.decodeUnknownSync(Retired)(readFileSync(new URL("../.ci/retired.json", import.meta.url), "utf8")))
    const files = ["src", "test", "examples", "docs"].flatMap((folder) =>
      readdirSync(new URL(`../${folder}/`, import.meta.url), { recursive: true, encoding: "utf8" })
        // What the runtimes' checks install.
        .filter((path) => !path.includes("node_modules"))
        .map((path) => `${folder}/${path}`)
    )
    const partsOf = (path: string) => path.split(/[^A-Za-z]+|(?=[A-Z])/).map((part) => part.toLowerCase().replace(/s$/, ""))
    assert.deepStrictEqual(files.filter((path) => partsOf(path).some((part) => retired.includes(part))), [])
    assert.isAbove(files.length, 100)
  })
})
