import js from "@eslint/js";
import globals from "globals";

/** Hashed static storage renames files, but not what the scripts in them import. */
const noImports = {
  selector: ":matches(ImportDeclaration, ImportExpression, ExportNamedDeclaration, ExportDefaultDeclaration)",
  message: "The page's scripts have no imports: find the base class in the registry of custom elements.",
};

export default [
  { ignores: [".nox/**", ".venv*/**", "build/**", "dist/**", "staticfiles/**", "test-results/**"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      complexity: ["error", 10],
      "consistent-return": "error",
      "default-case-last": "error",
      eqeqeq: "error",
      "func-style": ["error", "declaration", { allowArrowFunctions: true }],
      "max-depth": ["error", 3],
      "max-lines-per-function": ["error", 40],
      "no-else-return": "error",
      "no-eval": "error",
      "no-implicit-coercion": "error",
      "no-lonely-if": "error",
      "no-multi-assign": "error",
      "no-nested-ternary": "error",
      "no-param-reassign": "error",
      "no-promise-executor-return": "error",
      "no-return-assign": ["error", "always"],
      "no-sequences": ["error", { allowInParentheses: false }],
      "no-shadow": "error",
      "no-template-curly-in-string": "error",
      "no-unneeded-ternary": "error",
      "no-unused-expressions": "error",
      "no-use-before-define": ["error", { functions: false, classes: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      "require-await": "error",
    },
  },
  {
    files: ["**/static/**/*.js"],
    languageOptions: { globals: globals.browser },
    rules: { "no-restricted-syntax": ["error", noImports] },
  },
  // It imports what the server names, by the names that a hashed storage gives.
  { files: ["**/llm_chat/widget.js"], rules: { "no-restricted-syntax": "off" } },
  { files: ["tests/support/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["*.config.js", "tests/npm/*.mjs", "benchmarks/node/*.mjs"], languageOptions: { globals: globals.node } },
];
