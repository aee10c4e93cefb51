"""The grading of a student's softmax loss: `grade`, in the module of that name, runs the checks and makes the report."""
