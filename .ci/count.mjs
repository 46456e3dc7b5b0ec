// Prints how many tests passed and failed, from Vitest's own report. A test that is skipped has not passed.
import { readFileSync } from "node:fs"

const { numFailedTests, numPassedTests, numTotalTests } = JSON.parse(readFileSync(process.argv[2], "utf8"))
const skipped = numTotalTests - numPassedTests - numFailedTests
if (skipped > 0) process.exitCode = 1
console.log(`${numPassedTests} passed, ${numFailedTests + skipped} failed`)
