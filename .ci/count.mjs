// Prints how many tests passed and failed, from Vitest's own report; what was skipped is told on a line before.
import { readFileSync } from "node:fs"

const { numFailedTests, numPassedTests, numTotalTests } = JSON.parse(readFileSync(process.argv[2], "utf8"))
const skipped = numTotalTests - numPassedTests - numFailedTests
if (skipped > 0) {
  console.log(`${skipped} skipped: the captured frames they replay are not beside this folder`)
}
console.log(`${numPassedTests} passed, ${numFailedTests} failed`)
