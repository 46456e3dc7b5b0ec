#!/usr/bin/env node
/**
 * The Node program: `holdfast --help` says what it does.
 *
 * @since 0.1.0
 */
import * as Module from "node:module"

// From Node 22.1 on, compiled code is kept from one run to the next.
const enableCompileCache: unknown = Reflect.get(Module, "enableCompileCache")
if (typeof enableCompileCache === "function") Reflect.apply(enableCompileCache, undefined, [])

// Afterwards, so that it is kept as well.
await import("./cli/commands.ts")
