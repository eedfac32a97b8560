/** What every page needs: its styles. */

import "./styles/site.css";
