// Takes the comments out of the built modules, and marks the calls that run when one is loaded as pure, so that bundlers leave
// out what an app does not use: esbuild keeps every other call. Modules of this package do nothing else when they are loaded
// (`sideEffects` in package.json).
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import ts from "typescript"

const mark = "/*#__PURE__*/ "

const isCall = (node) => ts.isCallExpression(node) || ts.isNewExpression(node)
const isImport = (node) => ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
// The mark of a call covers the calls that give its function: `f(a)(b)`.
const isCallee = ({ parent }, node) => ts.isCallExpression(parent) && parent.expression === node

const positionsIn = (source) => {
  const positions = []
  const visit = (node) => {
    // What is inside a function runs later.
    if (ts.isFunctionLike(node)) return
    if (isCall(node) && !isImport(node) && !isCallee(node, node)) positions.push(node.getStart(source))
    ts.forEachChild(node, visit)
  }
  for (const statement of source.statements) {
    if (ts.isVariableStatement(statement)) visit(statement.declarationList)
    if (ts.isClassDeclaration(statement)) statement.heritageClauses?.forEach(visit)
  }
  return positions
}

// Editors show the docstrings of the declarations.
const withoutComments = { removeComments: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }

let marked = 0
// The program is bundled after this.
const isModule = (path) => path.endsWith(".js") && path !== "main.js" && !/^cli[/\\]/.test(path)
for (const path of readdirSync("dist", { recursive: true }).filter(isModule)) {
  const file = `dist/${path}`
  const built = readFileSync(file, "utf8")
  if (built.includes(mark)) continue
  const text = ts.transpileModule(built, { compilerOptions: withoutComments }).outputText
  const positions = positionsIn(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true))
  const pieces = [0, ...positions, text.length].map((from, i, all) => text.slice(from, all[i + 1]))
  writeFileSync(file, pieces.slice(0, -1).join(mark))
  marked += positions.length
}
console.log(`marked ${marked} calls as pure`)
