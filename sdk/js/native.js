// Lends a plugin's own tests the host outside WebAssembly: `node --import ./sdk/native.js --test`.

import { register } from "node:module";

const HOST = "export default { log: (level, message) => console.error(`${level}: ${message}`) };";

const hooks = `export function resolve(specifier, context, next) {
  return specifier.startsWith("cairnlog:plugin/host@")
    ? { url: "data:text/javascript," + ${JSON.stringify(encodeURIComponent(HOST))}, shortCircuit: true }
    : next(specifier, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
