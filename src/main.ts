#!/usr/bin/env node
/**
 * The Node program. `holdfast --help` shows how to use it.
 *
 * @since 0.1.0
 */
import * as Module from "node:module"

// Node 22.1 and later cache compiled code between runs.
const enableCompileCache: unknown = Reflect.get(Module, "enableCompileCache")
if (typeof enableCompileCache === "function") Reflect.apply(enableCompileCache, undefined, [])

// Imported after the cache is on, so that it is cached too.
await import("./cli/commands.ts")
