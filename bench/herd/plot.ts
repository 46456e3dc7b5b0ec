// Plots the herd: a panel per policy, with the dials per second over time.
import type { Herd, Summary } from "./model.ts"

export interface Panel {
  readonly name: string
  readonly formula: string
  readonly dials: ReadonlyArray<number>
  readonly summary: Summary
}

const width = 860
const left = 64
const right = 30
const panel = 96
const gap = 44
const top = 44

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

/** Plots the first `seconds` of each policy. The scale is logarithmic, from one dial per second to all clients at once. */
export const plot = (panels: ReadonlyArray<Panel>, { clients, server }: Herd, seconds: number): string => {
  const decades = Math.ceil(Math.log10(clients))
  const inner = width - left - right
  const x = (second: number) => left + (second / seconds) * inner
  const height = top + panels.length * (panel + gap)

  const text = (at: { readonly x: number; readonly y: number }, content: string, style: string) =>
    `<text x="${at.x.toFixed(1)}" y="${at.y.toFixed(1)}" class="${style}">${escape(content)}</text>`
  const line = (x1: number, y1: number, x2: number, y2: number, style: string) =>
    `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" class="${style}"/>`

  const drawn = panels.map(({ dials, formula, name, summary }, i) => {
    const base = top + i * (panel + gap) + panel
    const y = (count: number) => base - (count < 1 ? 0 : (0.1 + Math.log10(count)) / (decades + 0.1) * panel)
    const bars = dials.slice(0, seconds).flatMap((count, second) =>
      count === 0 ? [] : [`M${x(second).toFixed(1)} ${base}V${y(count).toFixed(1)}H${x(second + 1).toFixed(1)}V${base}`])
    const grid = Array.from({ length: decades + 1 }, (_, decade) => 10 ** decade)
    const after = summary.mostBackAfter === null ? "99 % never back" : `99 % back after ${summary.mostBackAfter} s`
    return [
      `<rect x="${left}" y="${base - panel}" width="${(x(server.downSeconds) - left).toFixed(1)}" height="${panel}" class="down"/>`,
      ...grid.filter((_, decade) => decade % 2 === 0).flatMap((count) => [
        line(left, y(count), width - right, y(count), "grid"),
        text({ x: left - 6, y: y(count) + 4 }, count.toLocaleString("en"), "tick end")
      ]),
      `<path d="${bars.join("")}" class="dials"/>`,
      line(x(server.downSeconds), y(server.acceptsPerSecond), width - right, y(server.acceptsPerSecond), "limit"),
      text({ x: left, y: base - panel - 8 }, name, "name"),
      text({ x: left + 110, y: base - panel - 8 }, formula, "tick"),
      text({ x: width - right, y: base - panel - 8 }, `once back, at most ${summary.peakOnceBack.toLocaleString("en")} a second; ${after}`, "tick end"),
      line(left, base, width - right, base, "axis"),
      ...Array.from({ length: Math.floor(seconds / 60) + 1 }, (_, minute) =>
        text({ x: x(minute * 60), y: base + 15 }, minute === 0 ? "0" : `${minute} min`, "tick middle"))
    ].join("\n")
  })

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>Dials a second of ${clients.toLocaleString("en")} clients that lost the same server, by policy</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #57606a }
.name { font-weight: 600; fill: #1f2328 }
.end { text-anchor: end }
.middle { text-anchor: middle }
.down { fill: #8c959f; opacity: 0.18 }
.dials { fill: #0969da }
.grid { stroke: #8c959f; opacity: 0.3 }
.axis { stroke: #8c959f }
.limit { stroke: #cf222e; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.name { fill: #f0f6fc }
.dials { fill: #4493f8 }
.limit { stroke: #f85149 }
}
</style>
${text({ x: left, y: 16 }, `Dials a second. Grey: the server is down. Dashed: what it accepts, ${server.acceptsPerSecond} a second.`, "tick")}
${drawn.join("\n")}
</svg>
`
}
