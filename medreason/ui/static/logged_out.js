// Says when the login has ended under an open page. Nothing that was typed is lost: after a new login in another
// tab the page goes on.
(() => {
  const ask = window.fetch;
  const told = () => document.getElementById("mr-ended");

  const tell = () => {
    if (told()) return;
    const box = document.createElement("div");
    box.id = "mr-ended";
    box.className = "mr-ended";
    box.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = "/login";
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Log in again";
    box.append("You are logged out, so this was not done. What you typed is still here. ", link);
    box.append(" in a new tab, come back, and try again.");
    document.body.append(box);
  };

  window.fetch = async (...given) => {
    const answer = await ask(...given);
    if (answer.status === 401) tell();
    else if (answer.ok && told()) told().remove();
    return answer;
  };
})();
