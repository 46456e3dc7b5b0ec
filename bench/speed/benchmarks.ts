// The list of benchmarks.
import { book } from "./book.ts"
import { growth } from "./growth.ts"
import type { Benchmark } from "./harness.ts"
import { latency } from "./latency.ts"
import { many } from "./many.ts"
import { recovery } from "./recovery.ts"
import { slow } from "./slow.ts"
import { start } from "./start.ts"
import { text } from "./text.ts"
import { typed } from "./typed.ts"

export const benchmarks: ReadonlyArray<Benchmark> = [text, typed, book, latency, recovery, many, slow, growth, start]
