"""What the locust processes run: users of a local server, and messages between the master and its workers."""

from locust import HttpUser, constant, events, task

received = []


class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/")


def told(environment, msg, **more):
    print(f"told {msg.data}", flush=True)
    environment.runner.send_message("answered", msg.data)


def answered(environment, msg, **more):
    received.append(msg.data)
    if len(received) == 2:
        print("both answered", flush=True)


@events.init.add_listener
def on_init(environment, **more):
    if type(environment.runner).__name__ == "WorkerRunner":
        environment.runner.register_message("tell", told)
    else:
        environment.runner.register_message("answered", answered)


@events.test_start.add_listener
def on_start(environment, **more):
    if type(environment.runner).__name__ == "MasterRunner":
        environment.runner.send_message("tell", "something")
