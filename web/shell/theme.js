// A classic script, run before anything is painted: the reader's choice of dark or light, where they made one.
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "auto";
