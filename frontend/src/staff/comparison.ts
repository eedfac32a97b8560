/** A comparison that is still going on is looked at again until it is done. */

import "./staff.css";

if (document.querySelector("[data-going-on]")) setTimeout(() => location.reload(), 2000);
