// The generated parts of the documentation's pages, each between two marks.
import { readFileSync, writeFileSync } from "node:fs"

/** The text with the content between the marks of this name replaced. */
export const insert = (text: string, name: string, content: string): string => {
  const begin = `<!-- ${name}:begin -->`
  const end = `<!-- ${name}:end -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`The text has no ${begin} and ${end}.`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}

const pageUrl = (page: string) => new URL(`../docs/${page}`, import.meta.url)

export const read = (page: string): string => readFileSync(pageUrl(page), "utf8")

/** Replaces the content between the marks of this name in a page of docs/. */
export const write = (page: string, name: string, content: string): void => {
  writeFileSync(pageUrl(page), insert(read(page), name, content))
}
