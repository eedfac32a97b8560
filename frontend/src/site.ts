/** What every page needs: its styles, and to know that there is a script. */

import "./styles/site.css";

document.documentElement.dataset["script"] = "ready";

// a search changes the address without a new page: the other language opens what is being looked at
document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  const next = form.querySelector<HTMLInputElement>("input[name=next]");
  if (next && form.classList.contains("languages")) next.value = location.pathname + location.search;
});
