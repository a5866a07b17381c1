/** @type {import("stylelint").Config} */
export default {
  extends: ["stylelint-config-standard"],
  ignoreFiles: [".venv*/**", "build/**", "dist/**", "staticfiles/**", "test-results/**"],
  reportNeedlessDisables: true,
  rules: {
    // Every rule has the weight of one class: what comes later wins, whatever its selector looks like.
    "no-descending-specificity": null,
    "selector-class-pattern": "^llm-chat(-[a-z]+)*$",
    // Public ones begin with the app's name; those that the style sheets resolve them to, with an underscore.
    "custom-property-pattern": "^(llm-chat-|_)[a-z]+(-[a-z]+)*$",
    "keyframes-name-pattern": "^llm-chat-[a-z]+$",
  },
  overrides: [
    {
      // The classes of code come from Pygments.
      files: ["**/llm_chat/chat.css"],
      rules: { "selector-class-pattern": "^(llm-chat(-[a-z]+)*|[a-z]{1,2})$" },
    },
    {
      // The site around the chat.
      files: ["chatproject/**"],
      rules: { "selector-class-pattern": "^site(-[a-z]+)*$", "custom-property-pattern": "^site-[a-z]+(-[a-z]+)*$" },
    },
    {
      // The bicycle shop, which gives the chat its colours.
      files: ["example/**"],
      rules: {
        "selector-class-pattern": "^(shop(-[a-z]+)*|llm-chat)$",
        "custom-property-pattern": "^(shop|llm-chat)-[a-z]+(-[a-z]+)*$",
      },
    },
  ],
};
