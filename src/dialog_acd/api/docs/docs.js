// The page and the library are open; the document is not. So the page asks for a token, fetches the document with it,
// and hands it to the library. The token is kept in a variable: not in the address, no cookie, no storage.
"use strict";

const said = document.getElementById("said");

function say(text, wrong) {
  said.textContent = text;
  said.classList.toggle("wrong", wrong);
}

document.getElementById("door").addEventListener("submit", async (event) => {
  event.preventDefault();
  const headers = { Authorization: "Bearer " + document.getElementById("token").value.trim() };
  let spec;
  try {
    const answer = await fetch("openapi.json", { headers, cache: "no-store" });
    spec = await answer.json();
    if (!answer.ok) {
      say(spec.message, true);
      return;
    }
  } catch (problem) {
    say("The service did not answer: " + problem.message, true);
    return;
  }
  say("Requests made on this page are real ones, with this token.", false);
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: false,
    docExpansion: "list",
    validatorUrl: null,
    showMutatedRequest: false, // else the token stands on the screen, in an example for curl
    requestInterceptor: (request) => {
      if (new URL(request.url, location.href).origin === location.origin) {
        Object.assign(request.headers, headers);
      }
      return request;
    },
  });
});
